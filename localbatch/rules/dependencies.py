"""Which tasks a range of ids means, and how ranges are found again from one id: pure.

A range may span four thousand million ids, and a job may have as many ranges as tasks. So ranges are kept as the nodes
of a binary tree over all numbers, at most 64 of them each; a number lies in a range exactly if one of the 33 nodes on
the way from its leaf to the root belongs to the range.
"""

import re
from collections.abc import Iterator

LEAST, MOST = -(2**31), 2**31 - 1
"""The numbers a range may name: those of 32 bits, as everywhere in the API."""

_NUMBER = re.compile(r"-?[0-9]+")
_LEAVES = 2**32


def number_of(task_id: str) -> int | None:
    """Returns the number that an id stands for in ranges, zeros before it left out; None if it stands for none."""
    number = int(task_id) if _NUMBER.fullmatch(task_id) else None
    return number if number is not None and LEAST <= number <= MOST else None


def nodes_of_range(start: int, end: int) -> Iterator[int]:
    """Returns the fewest nodes of the tree that cover a range and nothing else; none if it ends before it starts."""
    low, high = _leaf(start), _leaf(end) + 1
    while low < high:
        if low % 2:
            yield low
            low += 1
        if high % 2:
            high -= 1
            yield high
        low, high = low // 2, high // 2


def nodes_of_number(number: int) -> list[int]:
    """Returns the nodes of the tree that a number lies in."""
    leaf = _leaf(number)
    return [leaf >> level for level in range(leaf.bit_length())]


def _leaf(number: int) -> int:
    return _LEAVES + number - LEAST
