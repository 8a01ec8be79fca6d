"""Parameter sweeps and tables: inputs that are values, with a file or without one."""

import csv
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from prefect_azure_batch.tasks.command import GROUP_VARIABLES, MAP_VARIABLES
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.inputs import BlobLister, FoundInput, search_inputs
from prefect_azure_batch.tasks.names import digest
from prefect_azure_batch.tasks.records import InputItem, Values

INPUT_COLUMN = "input"
"""Column of a table that names the row's file or blob."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?")
# Numbers on both sides, or on one: a path such as ../a is a value.
_LIKE_RANGE = re.compile(r"[-+.\deE]*\d\.\.[-+.\deE]*|\.\.[-+.\deE]*\d")
_MOST_OF_RANGE = 10_000_000


def parse_sweep(text: str) -> tuple[str, Iterable[str]]:
    """Takes a sweep of one parameter apart.

    Args:
        text: ``name=first..last``, ``name=first..last..step`` or ``name=value,value,...``.

    Returns:
        The name, and its values; those of a range are made as they are asked for, again each time.

    Raises:
        BadInput: it is none of these.
    """
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise BadInput(f"{text!r} is no sweep: write name=1..100, name=0..1..0.25 or name=a,b,c.")
    check_parameter_name(name)
    if found := _RANGE.fullmatch(values):
        return name, _Range(*found.groups())
    if _LIKE_RANGE.fullmatch(values):
        raise BadInput(
            f"The sweep {text!r} is no range: write its first and last number, and a step, as in 0.001..0.01..0.001, "
            "without exponents."
        )
    listed = values.split(",")
    if "" in listed:
        raise BadInput(f"The sweep {text!r} has an empty value.")
    if twice := next((value for value in listed if listed.count(value) > 1), None):
        raise BadInput(f"The sweep {text!r} has the value {twice!r} twice.")
    return name, listed


def check_parameter_name(name: str) -> None:
    """Refuses a name that no placeholder can have.

    Raises:
        BadInput: says why.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no name for a placeholder: letters, digits and '_', beginning with no digit.")
    if name in (*MAP_VARIABLES, *GROUP_VARIABLES, "app"):
        raise BadInput(f"{name!r} is a placeholder already: give the parameter another name.")


class _Range:
    """Numbers at equal distances, as they are written: ``08..10`` has 08, 09 and 10."""

    def __init__(self, first: str, last: str, step: str | None) -> None:
        self._first, self._last = Decimal(first), Decimal(last)
        self._step = Decimal(step or "1")
        self._width = len(first) if re.fullmatch(r"0\d+", first) else 0
        self._count = int((self._last - self._first) // self._step) + 1 if self._step else 0
        if self._count < 1:
            raise BadInput(f"The range {first}..{last} has no values: the step leads away from its end.")
        if self._count > _MOST_OF_RANGE:
            raise BadInput(f"The range {first}..{last} has {self._count} values: {_MOST_OF_RANGE} is the most.")

    def __iter__(self) -> Iterator[str]:
        for number in range(self._count):
            yield f"{self._first + number * self._step}".zfill(self._width)


def combinations(sweeps: Sequence[str], *, zipped: bool = False) -> Iterator[Values]:
    """All combinations of the values of several sweeps, the last one's values change first.

    Args:
        sweeps: as ``parse_sweep`` reads them.
        zipped: the first value of each, then the second, in the place of all combinations.

    Raises:
        BadInput: a sweep cannot be read, or zipped ones have different lengths.
    """
    names, values = zip(*(parse_sweep(text) for text in sweeps), strict=True)
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"The parameter {twice!r} is swept twice: put its values into one --sweep.")
    if not zipped:
        return (tuple(zip(names, each, strict=True)) for each in itertools.product(*values))
    if len({sum(1 for _ in each) for each in values}) > 1:
        raise BadInput("--sweep-zip: the sweeps have different numbers of values.")
    return (tuple(zip(names, each, strict=True)) for each in zip(*values, strict=True))


def sweep(sweeps: Sequence[str], found: Iterable[FoundInput] | None, *, zipped: bool = False) -> Iterator[FoundInput]:
    """The inputs of a sweep: each combination, on each of the files if there are any.

    Raises:
        BadInput: a sweep cannot be read.
    """
    if found is None:
        for turn, values in enumerate(combinations(sweeps, zipped=zipped)):
            yield _without_file(values, turn)
        return
    for each in found:
        for turn, values in enumerate(combinations(sweeps, zipped=zipped)):
            yield _with_values(each, values, turn)


def read_table(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a table: CSV with a line of names, or a JSON object in each line (``.jsonl``).

    Raises:
        BadInput: the file cannot be read, or a row is not like the first.
    """
    names: list[str] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _json_rows(file, path) if path.suffix == ".jsonl" else _csv_rows(file, path)
            for number, row in enumerate(rows):
                names = names or list(row)
                if number == 0:
                    for name in names:
                        if name != INPUT_COLUMN:
                            check_parameter_name(name)
                if list(row) != names:
                    raise BadInput(f"Row {number + 1} of {str(path)!r} has other columns than the first one.")
                yield row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(
            f"The table {str(path)!r} cannot be read: {getattr(error, 'strerror', None) or error}."
        ) from None
    if not names:
        raise BadInput(f"The table {str(path)!r} has no rows.")


def _csv_rows(lines: Iterable[str], path: Path) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(lines, strict=True)
    names = list(reader.fieldnames or [])
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"The table {str(path)!r} has two columns {twice!r}: give one another name.")
    for number, row in enumerate(reader, start=1):
        if None in row or None in row.values():
            raise BadInput(f"Row {number} of {str(path)!r} has more or fewer cells than there are names of columns.")
        yield dict(row)


def _json_rows(lines: Iterable[str], path: Path) -> Iterator[dict[str, str]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadInput(f"Line {number} of {str(path)!r} is no JSON: {error}.") from None
        if not isinstance(row, dict) or any(isinstance(value, dict | list) or value is None for value in row.values()):
            raise BadInput(f"Line {number} of {str(path)!r} is no object of texts, numbers and booleans.")
        yield {name: value if isinstance(value, str) else json.dumps(value) for name, value in row.items()}


def columns_of(path: Path) -> list[str]:
    """Names of a table's columns.

    Raises:
        BadInput: the table cannot be read.
    """
    return list(next(read_table(path)))


def tabulate(path: Path, list_blobs: BlobLister) -> Iterator[FoundInput]:
    """The inputs of a table, one for each row; a column ``input`` names its file or blob.

    Raises:
        BadInput: the table cannot be read, or a row's input is not one file.
    """
    for turn, row in enumerate(read_table(path)):
        values = tuple((name, value) for name, value in row.items() if name != INPUT_COLUMN)
        if INPUT_COLUMN not in row:
            yield _without_file(values, turn)
            continue
        try:
            found = list(itertools.islice(search_inputs([row[INPUT_COLUMN]], list_blobs), 2))
        except BadInput as error:
            raise BadInput(f"Row {turn + 1} of {str(path)!r}: {error}") from None
        if len(found) > 1:
            raise BadInput(f"Row {turn + 1} of {str(path)!r}: {row[INPUT_COLUMN]!r} is more than one file.")
        yield _with_values(replace(found[0], pattern=turn), values, turn)


def label_of(values: Values) -> str:
    """What a person calls a combination: ``seed=1 model=a``."""
    return " ".join(f"{name}={value}" for name, value in values)


def _without_file(values: Values, turn: int) -> FoundInput:
    label = label_of(values)
    item = InputItem(0, label, label, version=digest("values", *itertools.chain(*values)), values=values)
    return FoundInput(item, turn, label, turn)


def _with_values(found: FoundInput, values: Values, turn: int) -> FoundInput:
    item = replace(found.item, values=values)
    return FoundInput(item, found.pattern, f"{found.identity}\n{label_of(values)}", turn)


def variables_of(names: Iterable[str], *, grouped: bool = False) -> Mapping[str, str]:
    """The placeholders of a map's command whose inputs have such values, and the variables they become.

    Args:
        names: of the values.
        grouped: a task has several inputs.
    """
    return {**(GROUP_VARIABLES if grouped else MAP_VARIABLES), **{name: variable_of(name) for name in names}}


def variable_of(name: str) -> str:
    """The environment variable of a task that holds the value of a parameter."""
    return f"BATCH_MAP_VALUE_{name}"
