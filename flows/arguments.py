"""The command line of the map flow."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from pydantic import ValidationError

from flows.parameters import MapParameters
from tasks.errors import BadInput


@dataclass(frozen=True)
class MapArguments:
    """What the command line asks for: the run, and whether its result is printed as JSON."""

    run: MapParameters
    as_json: bool


def parse_map_arguments(arguments: Sequence[str] | None = None) -> MapArguments:
    """Reads the command line.

    Raises:
        BadInput: the options cannot be read, or make no run.
    """
    options = vars(_parser().parse_args(arguments))
    as_json = bool(options.pop("json"))
    try:
        return MapArguments(
            MapParameters(**{name: value for name, value in options.items() if value is not None}), as_json
        )
    except ValidationError as error:
        raise BadInput(_one_line(error)) from None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (--help lists the options)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m flows.map_flow",
        description="Runs one program over many inputs on Azure Batch or a local Azure. Default: the bundled example.",
    )
    described = {name: field.description for name, field in MapParameters.model_fields.items()}

    def add(option: str, **settings: object) -> None:
        name = option.removeprefix("--").replace("-", "_")
        parser.add_argument(option, help=(described[name] or "").replace("%", "%%"), **settings)  # type: ignore[arg-type]

    add("--inputs", nargs="+", metavar="INPUT")
    add("--command")
    add("--app")
    add("--outputs", nargs="+", metavar="PATTERN")
    add("--results", metavar="DIRECTORY")
    add("--nodes", type=int)
    add("--slots", type=int)
    add("--vm-size")
    add("--pool")
    add("--account")
    add("--task-minutes", type=float)
    add("--hours", type=float)
    add("--retries", type=int)
    parser.add_argument("--json", action="store_true", help="Print the result as one JSON document on standard output.")
    return parser


def _one_line(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"--{where.partition('.')[0].replace('_', '-')}: {message}" if where else message
