"""The 2-D heat equation on a plate, shared out to the ranks of an MPI program as blocks of a Cartesian grid.

    python3 -m mpi4py heat.py [PARAMETERS] [--size ROWS COLUMNS] [--steps N] [--output DIR] [--check]

A cold plate holds hot discs; its border is kept cold (Dirichlet). Each step is explicit finite differences,
u += D dt / h^2 * (north + south + west + east - 4 u), at nine tenths of the largest stable time step, h^2 / (4 D).
Before each step the ranks swap the outermost rows and columns of their blocks with their neighbours.

PARAMETERS is a JSON or TOML file, on every node, with some or all of: size ([rows, columns]), steps, diffusivity
(m^2/s), spacing (of the cells, m), cold (temperature of plate and border, degrees) and discs (each with row, column and
radius in cells, and temperature in degrees). Every rank reads its own node's copy, and all copies must say the same.

Rank 0 writes heat.npy, the temperatures, and heat.png, their picture with thin lines where the blocks meet. With
--check it also solves the problem alone, and ends with exit code 3 if the largest difference exceeds --tolerance. On
one kind of machine it is exactly 0, because every cell is made of the same numbers in the same order however the plate
is cut; the tolerance admits nodes whose processors or NumPy round differently. Wrong parameters end with exit code 2.

Run it by ``python3 -m mpi4py``: a rank that ends by an exception or a non-zero exit then ends all the others too.
"""

import argparse
import math
import os
import socket
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np
from mpi4py import MPI

from picture import paint, png
from plate import BadParameters, Field, Plate, advance, check_plate, read_plate, solve_alone

BAD_PARAMETERS = 2
CHECK_FAILED = 3


class Parser(argparse.ArgumentParser):
    """A parser that raises its errors: one rank speaks for all."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong with the command line."""
        raise BadParameters(message)


@dataclass(frozen=True)
class Options:
    """The command line, with its parameter file read."""

    plate: Plate
    every: int
    output: Path
    check: bool
    tolerance: float


@dataclass(frozen=True)
class Block:
    """A share of the plate's inside: rows from ``top`` up to ``bottom``, columns from ``left`` up to ``right``."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.bottom - self.top, self.right - self.left

    def with_halo(self) -> tuple[slice, slice]:
        """Where the block and one cell around it lie in the plate."""
        return slice(self.top - 1, self.bottom + 1), slice(self.left - 1, self.right + 1)

    def seams(self) -> list[tuple[slice, slice]]:
        """Where the block meets the ones above and to the left of it."""
        rows, columns = slice(self.top, self.bottom), slice(self.left, self.right)
        above = [(slice(self.top, self.top), columns)] if self.top > 1 else []
        beside = [(rows, slice(self.left, self.left))] if self.left > 1 else []
        return above + beside


@dataclass(frozen=True)
class Share:
    """What one rank reports in the end; times in seconds."""

    host: str
    node: str
    block: Block
    seconds: float
    swapping: float


class Halo:
    """The swap of outermost rows and columns with the neighbours in the grid of ranks.

    A side of the plate has no neighbour: nothing is sent or received there, and the border stays as it is.
    """

    def __init__(self, grid: MPI.Cartcomm, shape: tuple[int, int]) -> None:
        rows, columns = shape
        north, south = grid.Shift(0, 1)
        west, east = grid.Shift(1, 1)
        row, column = (1, columns), (rows, 1)
        # neighbour, size of the strips, where the one to send begins, where the one to receive begins
        swaps = (
            (north, row, (1, 1), (0, 1)),
            (south, row, (rows, 1), (rows + 1, 1)),
            (west, column, (1, 1), (1, 0)),
            (east, column, (1, columns), (1, columns + 1)),
        )
        whole = (rows + 2, columns + 2)
        self._grid = grid
        self._swaps = [
            (rank, strip_of(whole, strip, own), strip_of(whole, strip, theirs)) for rank, strip, own, theirs in swaps
        ]

    def swap(self, field: Field) -> None:
        """Fills the cells around the block with the neighbours' numbers."""
        requests = [self._grid.Irecv([field, 1, theirs], rank) for rank, _, theirs in self._swaps]
        requests += [self._grid.Isend([field, 1, own], rank) for rank, own, _ in self._swaps]
        MPI.Request.Waitall(requests)

    def free(self) -> None:
        """Gives the datatypes back."""
        for _, own, theirs in self._swaps:
            own.Free()
            theirs.Free()


def strip_of(whole: tuple[int, ...], part: tuple[int, int], begin: tuple[int, int]) -> MPI.Datatype:
    """The datatype of a rectangle in an array, so that MPI takes it from there and puts it there without a copy."""
    return MPI.DOUBLE.Create_subarray(whole, part, begin).Commit()


def main() -> None:
    """Runs one rank."""
    world = MPI.COMM_WORLD
    try:
        options, cuts = agree(world, sys.argv[1:])
    except BadParameters as error:
        if world.rank > 0:
            return  # rank 0 speaks, and ends all
        print(f"heat: {error}", file=sys.stderr, flush=True)
        sys.exit(BAD_PARAMETERS)

    grid = world.Create_cart(cuts)
    blocks = [block_of(grid.Get_coords(rank), cuts, options.plate.size) for rank in range(grid.size)]
    field, share = solve(grid, options.plate, blocks[grid.rank], options.every)
    shares = grid.gather(share)
    result = gather(grid, options.plate, field, blocks)
    if shares is not None and result is not None:
        write_results(options.output, result, blocks)
        print_table(options.plate, cuts, shares)
        if options.check:
            check(options, result)


def agree(world: MPI.Intracomm, arguments: list[str]) -> tuple[Options, list[int]]:
    """Reads the options on every rank and makes sure that all read the same.

    Returns:
        The options, and into how many parts rows and columns are cut.

    Raises:
        BadParameters: on every rank, with the same text, if one rank could not read them or read others.
    """
    options, cuts, trouble = None, [1, 1], None
    try:
        options = read_options(arguments)
        cuts = cuts_of(world.size, options.plate.size)
    except BadParameters as error:
        trouble = f"{error} (rank {world.rank} on {socket.gethostname()})"
    said = world.allgather((options, trouble))
    for rank, (other, other_trouble) in enumerate(said):
        if other_trouble:
            raise BadParameters(other_trouble)
        if other != said[0][0]:
            raise BadParameters(f"rank {rank} read other parameters than rank 0: the nodes' copies differ")
    assert options is not None
    return options, cuts


def read_options(arguments: list[str]) -> Options:
    """Reads the command line and the parameter file it names.

    Raises:
        BadParameters: something in them is wrong.
    """
    parser = Parser(description="The 2-D heat equation on a plate.")
    parser.add_argument("parameters", nargs="?", type=Path, help="JSON or TOML file, on every node")
    parser.add_argument("--size", nargs=2, type=int, metavar=("ROWS", "COLUMNS"), help="cells of the plate")
    parser.add_argument("--steps", type=int, help="time steps")
    parser.add_argument("--every", type=int, default=250, help="steps from one report to the next (default: 250)")
    parser.add_argument("--output", type=Path, default=Path(), metavar="DIR", help="for the results (default: .)")
    parser.add_argument("--check", action="store_true", help="compare with a run on one rank")
    parser.add_argument("--tolerance", type=float, default=1e-10, help="of --check (default: 1e-10 degrees)")
    taken = parser.parse_args(arguments)
    if taken.every < 1:
        raise BadParameters(f"--every: expected 1 or more, not {taken.every}")
    plate = read_plate(taken.parameters) if taken.parameters else Plate()
    if taken.size:
        plate = replace(plate, size=tuple(taken.size))
    if taken.steps is not None:
        plate = replace(plate, steps=taken.steps)
    return Options(check_plate(plate), taken.every, taken.output, taken.check, taken.tolerance)


def cuts_of(ranks: int, size: tuple[int, int]) -> list[int]:
    """Into how many parts rows and columns are cut: as square a grid as the ranks allow, more along the longer side.

    Raises:
        BadParameters: there are more parts than rows or columns.
    """
    cuts = sorted(MPI.Compute_dims(ranks, 2), reverse=size[0] > size[1])
    if any(parts > cells - 2 for parts, cells in zip(cuts, size, strict=True)):
        raise BadParameters(f"size: {size[0]} x {size[1]} cells are too few for {cuts[0]} x {cuts[1]} ranks")
    return cuts


def block_of(place: Iterable[int], cuts: Iterable[int], size: Iterable[int]) -> Block:
    """The block at a place of the grid of ranks; blocks differ by one row and one column at most."""
    rows, columns = (
        (1 + index * (cells - 2) // parts, 1 + (index + 1) * (cells - 2) // parts)
        for index, parts, cells in zip(place, cuts, size, strict=True)
    )
    return Block(*rows, *columns)


def solve(grid: MPI.Cartcomm, plate: Plate, block: Block, every: int) -> tuple[Field, Share]:
    """Computes this rank's share.

    Returns:
        The block's temperatures at the end, with one cell around it, and the report.
    """
    field = plate.start(*block.with_halo())
    following = field.copy()
    halo = Halo(grid, block.shape)
    seconds = swapping = 0.0
    for step in range(1, plate.steps + 1):
        begin = MPI.Wtime()
        halo.swap(field)
        swapped = MPI.Wtime()
        advance(field, following, plate.fourier)
        field, following = following, field
        seconds += MPI.Wtime() - begin
        swapping += swapped - begin
        if step % every == 0 or step == plate.steps:
            report(grid, plate, step, field[1:-1, 1:-1], following[1:-1, 1:-1])
    halo.free()
    node = os.environ.get("AZ_BATCH_NODE_ID", "-")
    return field, Share(socket.gethostname(), node, block, seconds, swapping)


def report(grid: MPI.Cartcomm, plate: Plate, step: int, now: Field, before: Field) -> None:
    """Prints on rank 0 how far the whole plate has come: the root mean square of the last change, what is left."""
    cells = (plate.size[0] - 2) * (plate.size[1] - 2)
    sums = np.array([np.square(now - before).sum(), (now - plate.cold).sum()])
    grid.Allreduce(MPI.IN_PLACE, sums, op=MPI.SUM)
    hottest = grid.allreduce(float(now.max()), op=MPI.MAX)
    if grid.rank == 0:
        print(
            f"step {step:6d}  time {step * plate.time_step:8.3f} s  residual {math.sqrt(sums[0] / cells):.4e}"
            f"  mean excess {sums[1] / cells:10.6f}  hottest {hottest:9.4f}",
            flush=True,
        )


def gather(grid: MPI.Cartcomm, plate: Plate, field: Field, blocks: list[Block]) -> Field | None:
    """Puts the blocks together on rank 0; elsewhere there is no result."""
    inside = strip_of(field.shape, blocks[grid.rank].shape, (1, 1))
    requests = [grid.Isend([field, 1, inside], 0)]
    result, places = None, []
    if grid.rank == 0:
        result = plate.start(slice(plate.size[0]), slice(plate.size[1]))
        places = [strip_of(plate.size, block.shape, (block.top, block.left)) for block in blocks]
        requests += [grid.Irecv([result, 1, place], rank) for rank, place in enumerate(places)]
    MPI.Request.Waitall(requests)
    for datatype in [inside, *places]:
        datatype.Free()
    return result


def write_results(folder: Path, field: Field, blocks: list[Block]) -> None:
    """Writes the temperatures and their picture."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "heat.npy", field)
    seams = [seam for block in blocks for seam in block.seams()]
    (folder / "heat.png").write_bytes(png(paint(field, seams)))


def print_table(plate: Plate, cuts: list[int], shares: list[Share]) -> None:
    """Prints who computed what, and how fast."""
    per_step = 1e3 / max(plate.steps, 1)
    print(f"{plate.size[0]} x {plate.size[1]} cells, {plate.steps} steps, {cuts[0]} x {cuts[1]} blocks")
    lines = [("rank", "host", "node", "rows", "columns", "ms/step", "of it swapping")]
    for rank, share in enumerate(shares):
        rows = f"{share.block.top}-{share.block.bottom - 1}"
        columns = f"{share.block.left}-{share.block.right - 1}"
        times = (f"{share.seconds * per_step:.3f}", f"{share.swapping * per_step:.3f}")
        lines.append((str(rank), share.host, share.node, rows, columns, *times))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip(), flush=True)


def check(options: Options, result: Field) -> None:
    """Compares with the same problem solved by this rank alone."""
    difference = float(np.abs(result - solve_alone(options.plate)).max())
    print(f"largest difference to the run on one rank: {difference:.3e}", flush=True)
    if not difference <= options.tolerance:
        print(f"heat: the difference exceeds {options.tolerance:g}: the check failed", file=sys.stderr, flush=True)
        sys.exit(CHECK_FAILED)


if __name__ == "__main__":
    main()
