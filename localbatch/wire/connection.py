"""How to reach a running local Azure: the one JSON line that ``python -m localbatch`` prints when it is ready."""

import json
from dataclasses import asdict, dataclass, field
from typing import Self

MPI_FILE = "mpi"
"""File in the root directory that names the MPI of the nodes."""

TOKEN_KEY_FILE = "token.key"
"""File in the root directory that holds the key of bearer tokens, in hexadecimal digits."""

PAGE_FILE = "page.url"
"""File in the root directory that holds the link of the status page, with its token."""

_STORAGE_FIELDS = ("blob_endpoint", "storage_account", "storage_key", "storage_connection_string")


class LocalAzureError(Exception):
    """The local Azure could not be started or reached, or refused; the message says why in one line."""


@dataclass(frozen=True)
class Endpoints:
    """Addresses, accounts and keys of a local Azure; the ``repr`` shows no key.

    Attributes:
        batch_endpoint: for ``azure.batch.BatchClient``, and ``base_url`` for ``azure.mgmt.batch``.
        batch_key: base64.
        blob_endpoint: ``account_url`` of ``azure.storage.blob`` clients; this and the other storage fields are
            empty where it runs without a Blob service.
        root: directory of state and nodes.
        pid: process id of the service.
    """

    batch_endpoint: str
    batch_account: str
    batch_key: str = field(repr=False)
    blob_endpoint: str
    storage_account: str
    storage_key: str = field(repr=False)
    storage_connection_string: str = field(repr=False)
    root: str
    pid: int

    def to_line(self) -> str:
        """Returns the JSON line, without a line end; storage fields are null where there is no Blob service."""
        document = asdict(self)
        return json.dumps(document | {name: document[name] or None for name in _STORAGE_FIELDS})

    @classmethod
    def from_line(cls, line: str | bytes) -> Self:
        """Reads the JSON line; properties it doesn't know are left out.

        Raises:
            ValueError: this is no such line. The message shows nothing of it, for it may hold keys.
        """
        try:
            document = json.loads(line)
            strings = {
                name: str(document[name]) for name in ("batch_endpoint", "batch_account", "batch_key", "root")
            } | {name: str(document[name] or "") for name in _STORAGE_FIELDS}
            return cls(**strings, pid=int(document["pid"]))
        except (KeyError, TypeError, ValueError):
            # From None: the cause would carry the line.
            raise ValueError("this is not the line that `python -m localbatch` prints when it is ready") from None
