"""Several inputs for one task: how they are put together, and what names a group of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import PurePosixPath

from prefect_azure_batch.tasks.command import INPUT_FOLDER
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.names import digest
from prefect_azure_batch.tasks.records import InputItem

MOST_FILES = 10_000
"""More files are not even looked at for one task: what Batch takes in one request ends well before."""

_NO_FOLDERS = {"/", ".", ".."}


@dataclass(frozen=True)
class Grouping:
    """Which inputs go into one task.

    Attributes:
        size: so many, one after the other; None for those of each folder.
    """

    size: int | None = None

    def label(self, members: Sequence[InputItem]) -> str:
        """What a person calls a group."""
        first, last, number = members[0].label, members[-1].label, len(members)
        if self.size is None:
            return first.rpartition("/")[0] or ("/" if first.startswith("/") else ".")
        return first if number == 1 else f"{first} .. {last} ({number} inputs)"


def placed_apart(members: Sequence[InputItem]) -> list[InputItem]:
    """The inputs of a group with the place of each in the task's working directory.

    They lie in one folder. Where two have the same name all lie in folders below it, by that part of their own folders
    in which they differ.

    Raises:
        BadInput: there is no place for each.
    """
    check_number(len(members), members[0].label)
    places = [PurePosixPath(member.name) for member in members]
    if len(set(places)) < len(places):
        folders = [PurePosixPath(member.label).parent.parts for member in members]
        shared = _number_alike(folders)
        places = [PurePosixPath(*folder[shared:], place) for folder, place in zip(folders, places, strict=True)]
    _check_apart(members, places)
    return [replace(member, place=f"{INPUT_FOLDER}/{place}") for member, place in zip(members, places, strict=True)]


def check_number(number: int, label: str) -> None:
    """Refuses more files than a task can have.

    Raises:
        BadInput: says so.
    """
    if number > MOST_FILES:
        raise BadInput(f"The group of {label!r} has {number} inputs, too many for one task: --chunk cuts them.")


def group_version(members: Sequence[InputItem]) -> str:
    """Names the content of a group: a digest of the places and versions of its inputs."""
    known = sorted((member.place, member.version) for member in members)
    return digest("group", *(text for each in known for text in each))


def _number_alike(folders: Sequence[tuple[str, ...]]) -> int:
    """How many names all folders have in common, from the first."""
    levels = zip(*folders, strict=False)
    return sum(1 for _ in takewhile(lambda names: len(set(names)) == 1, levels))


def _check_apart(members: Sequence[InputItem], places: Sequence[PurePosixPath]) -> None:
    taken = Counter(places)
    folders = {folder for place in places for folder in place.parents}
    for member, place in zip(members, places, strict=True):
        if taken[place] > 1 or place in folders or not _NO_FOLDERS.isdisjoint(place.parts):
            raise BadInput(
                f"The input {member.label!r} has the name of another one of its task, and their folders do not keep "
                "them apart: rename one, or use --group-by folder."
            )
