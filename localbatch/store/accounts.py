"""Batch accounts as they are remembered."""

from dataclasses import dataclass, field
from datetime import datetime

from localbatch.wire.formats import JsonObject


@dataclass(frozen=True)
class AccountRecord:
    """A Batch account.

    Attributes:
        resource_group: subscription and resource group it was created in, with a slash between; None for
            one that exists because a client signed with its name, and that is seen in all of them.
        body: its location, tags, identity and properties, as the management plane was told.
        state: ``active`` or ``deleting``.
        first_key: its first key, in base64; None as long as it is the service's.
        second_key: its second key; None as long as it is the one that follows from the service's.
        keys_synced: when the keys of its storage account were last synchronized.
    """

    seq: int
    name: str
    resource_group: str | None
    body: JsonObject
    created: datetime
    state: str
    first_key: str | None = field(default=None, repr=False)
    second_key: str | None = field(default=None, repr=False)
    keys_synced: datetime | None = None
