"""What a benchmark has found, as a table for people or as JSON for programs, and the targets that it answers to."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.trial import line


@dataclass(frozen=True)
class Target:
    """Something that is wanted of a ratio, and what was measured.

    Attributes:
        wanted: in words, with the bound: ``adding 1,000 tasks: at least 0.9 of bare create_tasks``.
        measured: the ratio.
        met: whether that is so.
    """

    wanted: str
    measured: float
    met: bool


def at_least(bound: float, measured: float, wanted: str) -> Target:
    """A target that is met from a bound on."""
    return Target(f"{wanted}: at least {bound:g}", round(measured, 3), measured >= bound)


def at_most(bound: float, measured: float, wanted: str) -> Target:
    """A target that is met up to a bound."""
    return Target(f"{wanted}: at most {bound:g}", round(measured, 3), measured <= bound)


def show(rows: Sequence[Mapping[str, object]], targets: Sequence[Target] = (), *, as_json: bool = False) -> None:
    """Prints what was found: rows with the same keys, and targets."""
    if as_json:
        print(json.dumps({"rows": [dict(row) for row in rows], "targets": [asdict(target) for target in targets]}))
        return
    if rows:
        print(line([*rows[0]]), line(["---:"] * len(rows[0])), sep="\n")
    for row in rows:
        print(line([*row.values()]))
    for target in targets:
        print(f"{'met    ' if target.met else 'NOT MET'} {target.wanted} ({target.measured:g})")
