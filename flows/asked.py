"""What a flow can be asked for: the fields of a form in Prefect's UI, and the options of a command line."""

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

from prefect_azure_batch.blocks.forms import Schema, show_plainly
from prefect_azure_batch.flows.option_groups import FIRST, GROUPS

_HEADINGS = 12
"""A form of so many fields has its groups' titles in it."""


def lay_out(schema: Schema) -> None:
    """Puts the fields of a form in the order of their use.

    Prefect's form knows no groups: the first field of each has its title besides its own.

    Args:
        schema: of the model; it is changed.
    """
    fields = schema["properties"]
    grouped = {name: group for group, names in GROUPS.items() for name in names}
    first = [name for name in FIRST if name in fields]
    rest = [name for name in grouped if name in fields and name not in FIRST]
    others = [name for name in fields if name not in (*first, *rest)]
    seen = set[str]()
    for position, name in enumerate((*first, *others, *rest)):
        fields[name]["position"] = position
        show_plainly(fields[name])
        if name in rest and len(fields) > _HEADINGS and grouped[name] not in seen:
            seen.add(grouped[name])
            fields[name]["title"] = f"{grouped[name]} \N{EM DASH} {fields[name]['title']}"


class Asked(BaseModel):
    """What a flow is asked for. Prefect stores what of it was said."""

    # What was given in a wrong place may be a secret.
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, json_schema_extra=lay_out)

    @model_serializer(mode="wrap")
    def _what_was_said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What nobody has said is not written down, for some of it goes only with something else."""
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if name in self.model_fields_set}
