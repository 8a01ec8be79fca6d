"""What all request bodies have in common.

Only what the service acts on or checks is spelled out as a field of a body; every other property it has is named in
``others``, kept as it came (``extra="allow"``) and echoed. JSON's types are never turned into one another,
but for the one case in whole_numbers.py.
"""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer
from pydantic.alias_generators import to_camel

from localbatch.wire.formats import format_duration, format_time, parse_duration, parse_time

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
]


def _parse_time(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a date and time such as 2030-01-31T08:00:00Z")
    return parse_time(value)


Time = Annotated[datetime, BeforeValidator(_parse_time), PlainSerializer(format_time, return_type=str)]


# Names that the service shows of a resource, and that clients send back with the whole of it.
SHOWN = (
    *("odata.metadata", "creationTime", "displayName", "eTag", "executionInfo", "id", "lastModified", "previousState"),
    *("previousStateTransitionTime", "state", "stateTransitionTime", "stats", "url"),
)


class Body(BaseModel):
    """Base of all bodies: camelCase on the wire, snake_case here.

    Attributes:
        others: names of the properties the operation has besides the fields; None if any name may be sent.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow", strict=True)
    others: ClassVar[tuple[str, ...] | None] = None


class MetadataItem(Body):
    """A metadata item of a pool or job."""

    name: str
    value: str
