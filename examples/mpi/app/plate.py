"""The problem that heat.py solves: a plate, its parameters read and checked, and one time step. No MPI in here."""

import json
import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float64]

SHARE_OF_LARGEST_TIME_STEP = 0.9
LARGEST_NUMBER = 1e300


class BadParameters(Exception):
    """What was asked for cannot be computed; the text says why in one line."""


@dataclass(frozen=True)
class Disc:
    """A hot disc: centre and radius in cells, temperature in degrees."""

    row: float
    column: float
    radius: float
    temperature: float


@dataclass(frozen=True)
class Plate:
    """What is computed.

    Attributes:
        size: rows and columns of cells, border included.
        steps: number of time steps.
        diffusivity: of the plate, in m^2/s; that of copper by default.
        spacing: of the cells, in m.
        cold: temperature of the plate and, for ever, of its border, in degrees.
        discs: what is hot at first.
    """

    size: tuple[int, int] = (200, 300)
    steps: int = 1000
    diffusivity: float = 1.1e-4
    spacing: float = 1e-3
    cold: float = 20.0
    discs: tuple[Disc, ...] = (Disc(76, 100, 44, 100), Disc(126, 206, 32, 85), Disc(52, 240, 20, 100))

    @property
    def time_step(self) -> float:
        """Seconds; nine tenths of the largest that is stable."""
        return SHARE_OF_LARGEST_TIME_STEP * self.spacing**2 / (4 * self.diffusivity)

    @property
    def fourier(self) -> float:
        """The mesh Fourier number, D dt / h^2."""
        return self.diffusivity * self.time_step / self.spacing**2

    def start(self, rows: slice, columns: slice) -> Field:
        """The temperatures at first, in a part of the plate."""
        row, column = np.ogrid[rows, columns]
        field = np.full((row.size, column.size), self.cold)
        for disc in self.discs:
            field[np.hypot(row - disc.row, column - disc.column) <= disc.radius] = disc.temperature
        last_row, last_column = (cells - 1 for cells in self.size)
        field[(row == 0) | (row == last_row) | (column == 0) | (column == last_column)] = self.cold
        return field


def advance(field: Field, following: Field, fourier: float) -> None:
    """Computes one step: the inside of ``following`` from ``field``; the outermost rows and columns are left alone."""
    inside = field[1:-1, 1:-1]
    neighbours = field[:-2, 1:-1] + field[2:, 1:-1] + field[1:-1, :-2] + field[1:-1, 2:]
    following[1:-1, 1:-1] = inside + fourier * (neighbours - 4 * inside)


def solve_alone(plate: Plate) -> Field:
    """The temperatures of the whole plate after all steps, computed by one process."""
    field = plate.start(slice(plate.size[0]), slice(plate.size[1]))
    following = field.copy()
    for _ in range(plate.steps):
        advance(field, following, plate.fourier)
        field, following = following, field
    return field


def check_plate(plate: Plate) -> Plate:
    """Refuses what cannot be computed; returns the rest.

    Raises:
        BadParameters: a value is out of its range.
    """
    if min(plate.size) < 3:
        raise BadParameters(f"size: a plate needs at least 3 x 3 cells, not {plate.size[0]} x {plate.size[1]}")
    if plate.steps < 0:
        raise BadParameters(f"steps: expected 0 or more, not {plate.steps}")
    for key, value in (("diffusivity", plate.diffusivity), ("spacing", plate.spacing)):
        if value <= 0:
            raise BadParameters(f"{key}: expected more than 0, not {value}")
    return plate


def read_plate(path: Path) -> Plate:
    """Reads a parameter file, TOML if its name ends so and JSON otherwise; what it leaves out stays as it is.

    Raises:
        BadParameters: the file cannot be read, or says something that is not understood.
    """
    language = "TOML" if path.suffix == ".toml" else "JSON"
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if language == "TOML" else json.loads(text)
    except OSError as error:
        raise BadParameters(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BadParameters(f"{path}: not {language}: {error}") from error
    try:
        return _plate_of(values)
    except BadParameters as error:
        raise BadParameters(f"{path}: {error}") from error


def _plate_of(values: object) -> Plate:
    kinds = {
        "size": _size_of,
        "steps": _whole,
        "diffusivity": _real,
        "spacing": _real,
        "cold": _real,
        "discs": _discs_of,
    }
    taken = _table(values, list(kinds), "the parameters")
    changes: dict[str, Any] = {key: kinds[key](value, key) for key, value in taken.items()}
    return replace(Plate(), **changes)


def _size_of(value: object, key: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise BadParameters(f"{key}: expected [rows, columns], not {value!r}")
    return _whole(value[0], key), _whole(value[1], key)


def _discs_of(value: object, key: str) -> tuple[Disc, ...]:
    if not isinstance(value, list):
        raise BadParameters(f"{key}: expected a list, not {value!r}")
    names = [field.name for field in fields(Disc)]
    tables = [_table(entry, names, "a disc") for entry in value]
    for table in tables:
        if missing := [name for name in names if name not in table]:
            raise BadParameters(f"a disc has no {' and no '.join(missing)}: {table!r}")
    return tuple(Disc(**{name: _real(table[name], f"{name} of a disc") for name in names}) for table in tables)


def _table(value: object, names: list[str], what: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise BadParameters(f"{what}: expected a table of {', '.join(names)}, not {value!r}")
    if unknown := [key for key in value if key not in names]:
        raise BadParameters(f"{what}: unknown key {unknown[0]!r}; there are {', '.join(names)}")
    return value


def _real(value: object, key: str) -> float:
    # The range also keeps out NaN, and integers that no float holds.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < LARGEST_NUMBER:
        raise BadParameters(f"{key}: expected a number, not {value!r}")
    return float(value)


def _whole(value: object, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadParameters(f"{key}: expected a whole number, not {value!r}")
    return value
