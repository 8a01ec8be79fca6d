"""What the service knows of and does not do. It says so: nothing here is ever answered with success.

Tables of properties by the resource they stand in. Whoever adds a feature removes its line.
"""

from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject, JsonValue

_REASON = "The local Batch service does not emulate this property."
# A value which asks for nothing may be sent.
_HARMLESS: tuple[JsonValue, ...] = (None, False, "", [], {})

POOL = ("certificateReferences", "cloudServiceConfiguration")
JOB = ("jobManagerTask.authenticationTokenSettings",)
TASK = ("authenticationTokenSettings",)


def refuse_properties(document: JsonObject, names: tuple[str, ...]) -> None:
    """Refuses a body that asks for something the service does not emulate.

    Args:
        document: the body.
        names: paths of properties; lists on the way are looked through item by item.

    Raises:
        ServiceError: ``UnsupportedProperty`` naming the first one found.
    """
    for name in names:
        if _asks_for(document, name.split(".")):
            raise refuse_property(name)


def refuse_operation(operation: str) -> ServiceError:
    """Makes the refusal of a whole operation."""
    return ServiceError("NotEmulated", values=(("Operation", operation),))


def refuse_property(name: str) -> ServiceError:
    """Makes the refusal of one property."""
    return ServiceError("UnsupportedProperty", values=(("PropertyName", name), ("Reason", _REASON)))


def _asks_for(value: JsonValue, path: list[str]) -> bool:
    if isinstance(value, list):
        return any(_asks_for(item, path) for item in value)
    if not path:
        return value not in _HARMLESS
    return isinstance(value, dict) and path[0] in value and _asks_for(value[path[0]], path[1:])
