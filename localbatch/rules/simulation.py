"""What a simulation is: how long simulated nodes and tasks take, how they end, what they leave, how fast time goes.

Pure: from the same seed the same task has the same lot, in whatever order tasks are run.
"""

import hashlib
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from statistics import NormalDist
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

STDOUT, STDERR = "../stdout.txt", "../stderr.txt"
_NORMAL = NormalDist()
_FORMS = "seconds, {uniform: [FROM, TO]}, {exponential: MEAN} or {lognormal: [MEDIAN, SIGMA]}"
_LONGEST = 10 * 365 * 86_400.0
_BITS = 53


@dataclass(frozen=True)
class Distribution:
    """Seconds by chance.

    Attributes:
        kind: ``fixed``, ``uniform``, ``exponential`` or ``lognormal``.
        numbers: what it takes: seconds; the least and the most; the mean; the median and sigma, the standard deviation
            of the logarithm.
    """

    kind: str = "fixed"
    numbers: tuple[float, ...] = (0.0,)

    def at(self, share: float) -> float:
        """Returns the seconds below which that share of all values lies, from 0 up to 1."""
        first, last = self.numbers[0], self.numbers[-1]
        if self.kind == "uniform":
            return first + share * (last - first)
        if self.kind == "exponential":
            return -first * math.log1p(-share)
        if self.kind == "lognormal":
            return first * math.exp(last * _NORMAL.inv_cdf(share)) if share else 0.0
        return first


_COUNTS = {"fixed": 1, "uniform": 2, "exponential": 1, "lognormal": 2}


def _read_distribution(given: object) -> Distribution:
    if isinstance(given, Distribution):
        return given
    kind, value = ("fixed", given) if not isinstance(given, Mapping) else next(iter(given.items()), (None, None))
    numbers = tuple(value) if isinstance(value, list) else (value,)
    one = not isinstance(given, Mapping) or len(given) == 1
    plain = all(isinstance(each, int | float) and not isinstance(each, bool) for each in numbers)
    if not one or kind not in _COUNTS or len(numbers) != _COUNTS[str(kind)] or not plain:
        raise ValueError(f"{_show(given)} is none of {_FORMS}")
    if not all(0 <= each <= _LONGEST for each in numbers) or (kind == "uniform" and numbers[0] > numbers[1]):
        raise ValueError(f"{_show(given)} is not possible: seconds go from 0 to ten years, and up")
    return Distribution(str(kind), tuple(float(each) for each in numbers))


Seconds = Annotated[Distribution, BeforeValidator(_read_distribution)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_nearest(cls, given: object) -> object:
        for key in given if isinstance(given, Mapping) else ():
            if key not in cls.model_fields:
                near = get_close_matches(str(key), cls.model_fields, 1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(cls.model_fields)}"
                raise ValueError(f"{str(key)!r} is no key here: {hint}")
        return given


class Fate(_Keys):
    """How some tasks end.

    Attributes:
        share: of the tasks that are meant, from 0 to 1; which of them is chance.
        task: a pattern of their ids, such as ``*7``; None is any.
        command: a pattern of their command lines.
        exit_code: what they end with.
        stdout, stderr: what they print; None is what all print.
    """

    share: float = Field(1.0, ge=0, le=1)
    task: str | None = None
    command: str | None = None
    exit_code: int = Field(0, ge=0, le=255)
    stdout: str | None = None
    stderr: str | None = None

    def fits(self, task_id: str, command_line: str) -> bool:
        """Tells whether a task is meant, as far as that is no chance."""
        given = (task_id, self.task), (command_line, self.command)
        return all(pattern is None or fnmatchcase(text, pattern) for text, pattern in given)


_SUCCESS = Fate()


def _check_name(name: str) -> str:
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{name!r} is no name of a file below the working directory")
    return name


class Simulation(_Keys):
    """A simulation.

    Attributes:
        seed: has the same tasks meet the same lot again; None is by chance.
        speed: how many seconds go by for the service in a second of this machine.
        allocation: seconds until a pool has its nodes.
        start: how long each node takes to start.
        duration: how long each task takes.
        preemptions: how often each spot node is preempted in an hour, on average.
        stdout, stderr: what each task prints; None leaves no such file.
        outputs: further files that each task leaves in its working directory, by their names: what they hold.
        outcomes: how tasks end; the first that fits counts, and a task that none fits succeeds.
    """

    seed: int | None = None
    speed: float = Field(1.0, ge=1, le=100_000)
    allocation: float = Field(0.0, ge=0, le=_LONGEST)
    start: Seconds = Distribution()
    duration: Seconds = Distribution()
    preemptions: float = Field(0.0, ge=0, le=3600)
    stdout: str | None = "simulated\n"
    stderr: str | None = ""
    outputs: dict[Annotated[str, BeforeValidator(_check_name)], str] = Field(default_factory=dict)
    outcomes: tuple[Annotated[Fate, Field(strict=False)], ...] = Field((), strict=False)

    @classmethod
    def read(cls, content: object) -> Self:
        """Reads a description.

        Raises:
            ValueError: something in it cannot be; the message is one line that names its place.
        """
        if not isinstance(content, Mapping):
            raise ValueError("it holds no keys, such as duration: 10")
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise ValueError(_complaint(error)) from None

    def seconds_to_start(self, node: str) -> float:
        """Tells how long a node takes to start, whatever names it in each run."""
        return self.start.at(self._chance("start", node))

    def seconds_of(self, task_id: str) -> float:
        """Tells how long a task takes."""
        return self.duration.at(self._chance("duration", task_id))

    def fate_of(self, task_id: str, command_line: str) -> Fate:
        """Tells how a task ends."""
        for number, fate in enumerate(self.outcomes):
            if fate.fits(task_id, command_line) and (fate.share == 1 or self._chance(number, task_id) < fate.share):
                return fate
        return _SUCCESS

    def files_of(self, fate: Fate) -> dict[str, str]:
        """Returns what a task leaves, by the path of each file from its working directory."""
        logs = {STDOUT: self.stdout, STDERR: self.stderr}
        own = {STDOUT: fate.stdout, STDERR: fate.stderr}
        logs |= {name: text for name, text in own.items() if text is not None}
        return {name: text for name, text in logs.items() if text is not None} | self.outputs

    def _chance(self, what: object, whose: str) -> float:
        """A number from 0 up to 1, the same for the same words if there is a seed."""
        if self.seed is None:
            return random.random()  # noqa: S311  (nothing here is secret)
        digest = hashlib.blake2b(f"{self.seed}/{what}/{whose}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest) >> (64 - _BITS)) / (1 << _BITS)


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] != "value_error":
        message = f"{_show(first['input'])}: {message}"
    return f"{place}: {message}" if place else message


def _show(given: Any) -> str:
    text = repr(given)
    return text if len(text) < 60 else f"{text[:60]}..."
