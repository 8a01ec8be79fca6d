"""How commands ran, in the columns that the records of all that run share."""

from dataclasses import dataclass
from datetime import datetime

from localbatch.wire.formats import JsonObject


@dataclass(frozen=True, kw_only=True)
class Execution:
    """How a command ran last.

    Attributes:
        state: ``running``, ``completed`` or another state of the table of its kind.
        started: when.
        ended: when it ended.
        exit_code: of the command; None if it did not get so far.
        result: ``success`` or ``failure`` once it has ended.
        failure: ``failureInfo`` in the words of the wire.
        container: ``containerInfo`` in the words of the wire.
    """

    state: str
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    result: str | None = None
    failure: JsonObject | None = None
    container: JsonObject | None = None


@dataclass(frozen=True, kw_only=True)
class RetriedExecution(Execution):
    """The same of a command that is run again when it fails.

    Attributes:
        retries: how often it was.
        retried: when last.
    """

    retries: int = 0
    retried: datetime | None = None
