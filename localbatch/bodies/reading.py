"""Request bodies read, and written again: pure."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from pydantic import ValidationError

from localbatch.bodies.body import Body
from localbatch.wire.errors import ServiceError, invalid_property, unknown_property, unreadable_property
from localbatch.wire.formats import JsonObject, JsonValue
from localbatch.wire.whole_numbers import mend

Model = TypeVar("Model", bound=Body)


def parse_json(raw: bytes) -> JsonObject:
    """Reads a request body; properties that are null count as left out.

    Raises:
        ServiceError: ``InvalidRequestBody``, with the reason.
    """
    try:
        document = without_nulls(json.loads(raw, parse_constant=_refuse_constant))
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"The body is not JSON in UTF-8: {error}") from error
    if not isinstance(document, dict):
        raise _unreadable("The body is not a JSON object.")
    return document


def _unreadable(reason: str) -> ServiceError:
    return ServiceError("InvalidRequestBody", values=(("Reason", reason),))


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def without_nulls(value: JsonValue) -> JsonValue:
    """Leaves out the properties that are null, at any depth.

    Raises:
        ValueError: a text is none that a name, a path or an argument could hold.
    """
    if isinstance(value, dict):
        return {_text(name): without_nulls(each) for name, each in value.items() if each is not None}
    if isinstance(value, list):
        return [without_nulls(each) for each in value]
    return _text(value) if isinstance(value, str) else value


def _text(value: str) -> str:
    # Half of a surrogate pair, which JSON can spell, is no text; and no name, path or argument holds a NUL.
    value.encode()
    if "\0" in value:
        raise ValueError("a text holds the character NUL")
    return value


def read(model: type[Model], document: JsonObject) -> Model:
    """Checks a body against its model. Texts that spell whole numbers are taken for them, also in the body itself.

    Raises:
        ServiceError: ``InvalidRequestBody`` for a name the operation does not have or a value of another type,
            ``MissingRequiredProperty``, or ``InvalidPropertyValue`` naming the property and the reason.
    """
    refuse_unknown(model, document)
    try:
        return model.model_validate(document)
    except ValidationError as error:
        if mend(document, error):
            return read(model, document)
        first = error.errors(include_url=False, include_context=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", name),))
    if first["type"] == "value_error":
        raise invalid_property(name, first["input"], f"{first['msg'].removeprefix('Value error, ')}.")
    raise unreadable_property(name, f"{first['msg']}.")


def refuse_unknown(model: type[Body], document: JsonObject) -> None:
    """Refuses properties that an operation does not have, among them those which only the service sets.

    Raises:
        ServiceError: ``InvalidRequestBody`` naming the first one found.
    """
    if model.others is None:
        return
    known = {*model.others, *(field.alias for field in model.model_fields.values())}
    for name in document:
        if name not in known:
            raise unknown_property(name)


def write(model: Body) -> JsonObject:
    """Turns a model back into JSON: what the client gave, in the words and forms of the wire."""
    document: JsonObject = model.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
    return document


@contextmanager
def within(name: str) -> Iterator[None]:
    """Puts the name of the property that holds a part of a body before those of properties refused in the block."""
    try:
        yield
    except ServiceError as error:
        values = [(key, f"{name}.{value}" if key == "PropertyName" else value) for key, value in error.values]
        raise ServiceError(error.code, error.message, values, status=error.status) from error
