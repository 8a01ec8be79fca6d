"""``python docs/site/options.py``: writes docs/options.md, the options of every command, as the commands have them."""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

import localbatch.__main__
import prefect_azure_batch.flows.prices
from prefect_azure_batch.blocks import credentials
from prefect_azure_batch.flows import entries
from prefect_azure_batch.flows.arguments import make_parser
from prefect_azure_batch.tasks.prices import user_table

PAGE = Path(__file__).resolve().parents[1] / "options.md"
_HEAD = """# Options

What each command can be asked for, and the fields of the blocks. This page is made from the commands themselves by `make docs`, and a test holds it to them; what the options are for is told by the guides: [map](map.md), [MPI](mpi.md), [pools](pools.md).

The same names, with `_` in place of `-`, are the parameters of the flows in Python (`MapParameters`, `MpiParameters`), in `deployments/prefect.yaml` and in the forms of the Prefect UI; `--pool-file` is `new_pool` there, and `--json` belongs to the command line alone. From a wheel `python -m flows.map_flow` is `azure-batch-map`, and the others likewise.
"""  # noqa: E501  # one paragraph, one line, as on all pages
_OWN_TABLE = "~/.cache/prefect-azure-batch/prices.csv"
_BLOCKS = """## Blocks

Kinds of credential are told apart by `kind`, and described in [Credentials](credentials.md).
"""
_KINDS = (
    *(credentials.BatchSharedKey, credentials.StorageAccountKey, credentials.StorageConnectionString),
    *(credentials.StorageSas, credentials.ServicePrincipal, credentials.ManagedIdentity, credentials.DefaultCredential),
)


@dataclass(frozen=True)
class Command:
    """A command that has a section on the page.

    Attributes:
        name: what is typed.
        parser: of its command line.
        fields: what stands behind the options of a flow.
    """

    name: str
    parser: argparse.ArgumentParser
    fields: dict[str, FieldInfo]


def commands() -> list[Command]:
    """All commands that have options, the flows first."""
    flows = [entry for entry in vars(entries).values() if isinstance(entry, entries.Entry)]
    found = [
        Command(f"python -m flows.{entry.name}", make_parser(entry), entry.parameters.model_fields) for entry in flows
    ]
    prices = Command("python -m flows.prices", prefect_azure_batch.flows.prices.make_parser(), {})
    return [*found, prices, Command("python -m localbatch", localbatch.__main__.make_parser(), {})]


def options_page() -> str:
    """The whole page, in Markdown."""
    sections = [section for command in commands() for section in _command_section(command)]
    return "\n".join([_HEAD, *sections, _BLOCKS, *_block_sections()])


def _command_section(command: Command) -> Iterator[str]:
    yield f"## {command.name.rpartition(' ')[2].removeprefix('flows.')}\n"
    yield f"`{command.name}`: {command.parser.description}\n"
    _, general, *titled = command.parser._action_groups  # argparse has no other way to its groups
    for group in (*titled, general):
        shown = [action for action in group._group_actions if action.option_strings and action.dest != "help"]
        rows = [_option_row(action, command.fields) for action in shown]
        if rows:
            yield f"### {_title(command.name, group.title if titled else None)}\n"
            yield "| option | takes | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _title(command: str, group: str | None) -> str:
    titles = {None: "All options", "options": "General options"}
    name = command.rpartition(".")[2].rpartition(" ")[2].removesuffix("_flow")
    return f"{titles.get(group, group)} ({name})"  # two sections of a page never have one anchor


def _option_row(action: argparse.Action, fields: dict[str, FieldInfo]) -> str:
    names = ", ".join(f"`{name}`" for name in action.option_strings if name.startswith("--"))
    field = fields.get(action.dest)
    default = _shown(field.get_default(call_default_factory=True) if field else action.default)
    return _row(names, _takes(action, field), default, _escaped(_help(action, bool(default))))


def _takes(action: argparse.Action, field: FieldInfo | None) -> str:
    if action.nargs == 0:
        return ""
    if action.choices:
        return ", ".join(f"`{choice}`" for choice in action.choices)
    if action.metavar or field is None:
        return f"`{action.metavar or action.dest.upper()}`" + (" ..." if action.nargs == "+" else "")
    return _takes_by_type(field)


def _takes_by_type(field: FieldInfo) -> str:
    kind = next(kind for kind in _members(field.annotation) if kind is not type(None))
    if get_origin(kind) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is list:
        return "one or more"
    return {int: "a whole number", float: "a number"}.get(kind, "a text") + _limits(field)


def _members(annotation: Any) -> Sequence[Any]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _limits(field: FieldInfo) -> str:
    found = {name: getattr(item, name) for item in field.metadata for name in ("ge", "gt", "le") if hasattr(item, name)}
    low = f", {found['ge']:g}" if "ge" in found else f", more than {found['gt']:g}" if "gt" in found else ""
    if "le" in found:
        return f"{low} to {found['le']:g}" if low else f", at most {found['le']:g}"
    return f"{low} or more" if "ge" in found else low


def _shown(default: Any) -> str:
    if default is None or isinstance(default, bool) or default in ("", [], {}) or default == argparse.SUPPRESS:
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def _help(action: argparse.Action, default_is_shown: bool) -> str:
    text = (action.help or "") % {"default": action.default, "prog": "command"}
    text = text.replace(str(user_table()), _OWN_TABLE)
    return re.sub(r" ?\(default: [^)]*\)$| Default: [\w.]+\.$", "", text) if default_is_shown else text


def _block_sections() -> Iterator[str]:
    from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount  # takes Prefect, and seconds
    from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
    from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials

    for model in (AzureBatchAccount, AzureStorageCredentials, AzureBatchPool, *_KINDS):
        yield f"### {model.__name__}\n"
        yield "| field | default | meaning |\n|---|---|---|\n" + "\n".join(_field_rows(model)) + "\n"


def _field_rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        default = "" if field.is_required() else _shown(field.get_default(call_default_factory=False))
        need = "must be given" if field.is_required() else default
        yield _row(f"`{name}`", need, _escaped(field.description or ""))


def _row(*cells: str) -> str:
    return re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(cells)} |")


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_<>|\[\]])", r"\\\1", " ".join(text.split()))


def main() -> None:
    """Writes the page."""
    PAGE.write_text(options_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
