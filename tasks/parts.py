"""A part of the inputs: what one of several runs does, each on an account or machine of its own, that share a map."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.inputs import FoundInput
from prefect_azure_batch.tasks.names import digest
from prefect_azure_batch.tasks.sweeps import label_of

MOST_PARTS = 1000
_PART = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")
_DIGITS = 15


@dataclass(frozen=True)
class Part:
    """One of so many parts.

    Which part has an input follows from what the input is called, and from nothing else: it stays in its part when
    others are added, and whatever the command.

    Attributes:
        number: which one, from 1.
        total: how many there are.
    """

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``2/3``.

        Raises:
            BadInput: it is no part.
        """
        found = _PART.fullmatch(text)
        part = cls(*map(int, found.groups())) if found else cls(0, 0)
        if not 1 <= part.number <= part.total <= MOST_PARTS:
            raise BadInput(f"{text!r} is no part: write 1/2 and 2/2 for two halves; there may be {MOST_PARTS:,} parts.")
        return part

    def of(self, found: Iterable[FoundInput], *, by_folder: bool = False) -> Iterator[FoundInput]:
        """Those of the inputs that are in this part.

        Args:
            found: all inputs.
            by_folder: those of a folder stay together.

        Raises:
            BadInput: none is in it.
        """
        seen = taken = 0
        for each in found:
            seen += 1
            if self._has(_folder_of(each) if by_folder else _name_of(each)):
                taken += 1
                yield each
        if not taken:
            raise BadInput(f"Of {seen:,} inputs none falls into part {self.number}/{self.total}: give fewer parts.")

    def _has(self, name: str) -> bool:
        return int(digest("part", name)[:_DIGITS], 16) % self.total == self.number - 1


def _name_of(found: FoundInput) -> str:
    return f"{found.item.label}\n{label_of(found.item.values)}"


def _folder_of(found: FoundInput) -> str:
    return found.item.label.rpartition("/")[0]
