"""How models are shown by the forms that Prefect's UI makes of their JSON schemas.

Tried with the UI of Prefect 3.8: a form sends the defaults that its schema has as if a person had said them; it shows
what may be null as two tabs, of which the first asks for a text; and it takes the tab of a value in a union to be the
first of those that share most keys with it, whatever a discriminator says. So schemas say no default where it matters
who has said it, no null where an empty field means as much, and no key that all members of a union share.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

KIND = "kind"
Schema = dict[str, Any]


def show_plainly(schema: Schema) -> None:
    """Has what may be left out shown as an empty field, not as a choice between something and nothing.

    Args:
        schema: of a field; it is changed. The server takes null for a field that has neither a default nor to be there.
    """
    for union in (schema, schema.get("items", {})):
        if "oneOf" in union:  # whose tabs do not stay where they were clicked
            union["anyOf"] = union.pop("oneOf")
            union.pop("discriminator", None)
    options = schema.get("anyOf", [])
    if {"type": "null"} not in options:
        return
    others = [option for option in options if option != {"type": "null"}]
    if len(others) == 1 and "$ref" not in others[0]:
        del schema["anyOf"]
        schema.pop("default", None)
        schema |= others[0]
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]


def show_without_default(schema: Schema) -> None:
    """Has an empty field shown for what is not the same if it is said.

    Args:
        schema: of a field; it is changed.
    """
    schema.pop("default", None)


def show_part(schema: Schema) -> None:
    """Has a form send nothing of a part but what was filled in; switches that are on stay on.

    Args:
        schema: of a model; it is changed.
    """
    for field in schema.get("properties", {}).values():
        show_plainly(field)
        if field.get("default") is not None and field["default"] is not True:
            del field["default"]


def show_member(schema: Schema) -> None:
    """Has a member of a union told by its own keys: ``kind_of`` finds its kind again.

    Args:
        schema: of a model with a kind; it is changed.
    """
    show_part(schema)
    del schema["properties"][KIND]
    # What was saved by a program has the kind.
    schema.pop("additionalProperties", None)


def show_kind(schema: Schema) -> None:
    """Has a member of a union told by its kind, for it has no key that must be there.

    Args:
        schema: of a model with a kind; it is changed.
    """
    kind = schema["properties"][KIND]
    show_part(schema)
    kind["enum"] = [kind.pop("const")]
    kind["default"] = kind["enum"][0]
    schema["required"] = [KIND]


def show_nothing(schema: Schema) -> None:
    """Has a member of a union shown with no field at all; its kind is all that it says.

    Args:
        schema: of a model with a kind and no other field; it is changed.
    """
    kind = schema.pop("properties")[KIND]["const"]
    schema.pop("additionalProperties", None)
    schema["const"] = {KIND: kind}


def kind_of(data: Any, members: Mapping[str, type[BaseModel]]) -> Any:
    """What a form has sent for a union, with its kind: that of the member which has most of its keys.

    Args:
        data: what was sent.
        members: the models of the union by their kinds.
    """
    if not isinstance(data, Mapping) or KIND in data:
        return data
    shared = {kind: len(data.keys() & member.model_fields.keys()) for kind, member in members.items()}
    best = max(shared, key=lambda kind: shared[kind])
    return {KIND: best, **data} if shared[best] else data
