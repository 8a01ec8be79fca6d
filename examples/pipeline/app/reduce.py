"""Adds up the counts of all stations, an MPI program: each rank takes its share of the files, rank 0 gets the sum.

Works in the directory of the counts (``*.json``) and writes ``seasons/<season>.json`` there.
"""

import json
from collections import Counter
from pathlib import Path

from mpi4py import MPI

Counts = dict[str, Counter[int]]


def main() -> None:
    """Runs one rank."""
    world = MPI.COMM_WORLD
    mine = sorted(Path().glob("*.json"))[world.rank :: world.size]
    total = world.reduce(add_all(mine), op=add, root=0)
    print(f"rank {world.rank} of {world.size} counted {len(mine)} stations", flush=True)
    if total is not None:
        write(total)


def add_all(paths: list[Path]) -> Counts:
    """The counts of some stations together."""
    total: Counts = {}
    for path in paths:
        stored = json.loads(path.read_text())
        total = add(total, {season: Counter(counts) for season, counts in stored.items()})
    return total


def add(left: Counts, right: Counts) -> Counts:
    """The sum of two counts."""
    return {season: left.get(season, Counter()) + right.get(season, Counter()) for season in {*left, *right}}


def write(total: Counts) -> None:
    """Writes a file for each season."""
    Path("seasons").mkdir(exist_ok=True)
    for season, counts in total.items():
        Path("seasons", f"{season}.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
