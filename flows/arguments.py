"""The command line of a flow: an option for each of its parameters."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from prefect_azure_batch.blocks.pool_description import first_complaint
from prefect_azure_batch.flows.entries import Entry
from prefect_azure_batch.flows.option_groups import GROUPS
from prefect_azure_batch.flows.pool_file import read_pool_file
from prefect_azure_batch.tasks.errors import BadInput

# An empty one is the default of the form in the UI; on a command line it is most likely a variable that is not set.
_COMMANDS = {"command", "application_command", "coordination_command"}
# In a form all of it is filled in; on a command line it is a file.
# Whether its default is yes or no depends on the flow.
_EITHER_WAY = {"resume"}
_OPTIONS = {"new_pool": "--pool-file"}
FIELDS = {option: field for field, option in _OPTIONS.items()}
"""Fields by the options that are called otherwise."""
_METAVARS = {
    "retry_on": "CODE",
    "succeed_on": "CODE",
    "stop_on": "CODE",
    "inputs": "INPUT",
    "outputs": "PATTERN",
    "results": "DIRECTORY",
    "common": "FILE",
    "env": "NAME=VALUE",
    "secret": "NAME=SOURCE",
    "sweep": "NAME=VALUES",
    "table": "FILE",
    "follow": "INPUT",
}


# How a description says itself what holds if an option is not given.
_SAYS_DEFAULT = ("Default:", "Not given:", "Empty:", "(the default")
# So many options need no titles between them.
_FEW = 8


@dataclass(frozen=True)
class Arguments:
    """What the command line asks for: the run, and whether its result is printed as JSON."""

    run: BaseModel
    as_json: bool


def parse_arguments(entry: Entry, arguments: Sequence[str] | None = None) -> Arguments:
    """Reads the command line of a flow.

    Raises:
        BadInput: the options cannot be read, or make no run.
    """
    options = vars(make_parser(entry).parse_args(arguments))
    as_json = bool(options.pop("json"))
    for name in _COMMANDS & options.keys():
        if options[name] == "":
            raise BadInput(f"{_option(name)}: it is empty: say what to run, or leave it out.")
    if options.get("new_pool") is not None:
        options["new_pool"] = read_pool_file(options["new_pool"])
    try:
        run = entry.parameters(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        raise BadInput(first_complaint(error, _option)) from None
    return Arguments(run, as_json)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (--help lists the options)")


def make_parser(entry: Entry) -> argparse.ArgumentParser:
    """The parser of a flow's command line, with its options in groups."""
    program = _program(entry)
    examples = [f"  {program} {example}".rstrip() for example in entry.examples]
    parser = _Parser(
        prog=program,
        usage="%(prog)s [options]",
        description=entry.description,
        epilog="\n".join(("examples:", *examples)) if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fields, groups = entry.parameters.model_fields, {title: set(names) for title, names in GROUPS.items()}
    for title, names in GROUPS.items():
        group = parser.add_argument_group(title) if fields.keys() & groups[title] and len(fields) > _FEW else parser
        for name in names:
            if name in fields:
                _add(group, name, fields[name])
    for name in (name for name in fields if name not in set().union(*groups.values())):
        _add(parser, name, fields[name])
    parser.add_argument("--json", action="store_true", help="Print the result as one JSON document on standard output.")
    parser.add_argument("--version", action="version", version=version("prefect-azure-batch"))
    return parser


def _add(group: argparse._ActionsContainer, name: str, field: FieldInfo) -> None:
    help_text = f"{field.description or ''}{_default(field)}".replace("%", "%%")
    group.add_argument(_option(name), dest=name, help=help_text, **_reading(name, field))


def _default(field: FieldInfo) -> str:
    """What holds if an option is not given, where its description leaves that open; an option to say yes means no."""
    value, text = field.get_default(call_default_factory=True, validated_data={}), field.description or ""
    if value is None or value is False or value in ("", [], {}) or any(word in text for word in _SAYS_DEFAULT):
        return ""
    return f" Default: {value}."


def _program(entry: Entry) -> str:
    """What the user has typed: a console script, or a module."""
    script = Path(sys.argv[0]).name
    if not script.endswith(".py"):
        return script
    package = "flows" if Path(sys.argv[0]).parent.parent.joinpath("pyproject.toml").exists() else __package__
    return f"python -m {package}.{entry.name}"


def _option(name: str) -> str:
    return _OPTIONS.get(name) or f"--{name.replace('_', '-')}"


def _reading(name: str, field: FieldInfo) -> dict[str, Any]:
    if field.annotation is bool:
        action = argparse.BooleanOptionalAction if name in _EITHER_WAY else "store_true"
        return {"action": action, "default": None}
    if get_origin(field.annotation) in (list, dict):
        return {"action": "extend", "nargs": "+", "metavar": _METAVARS.get(name)}
    numbers = {int, float}.intersection([field.annotation, *get_args(field.annotation)])
    if name in _OPTIONS:
        return {"metavar": "FILE"}
    return {"metavar": _METAVARS.get(name)} | ({"type": numbers.pop()} if numbers else {})
