"""Standard output and error as a shell may leave them: closed, full, or without a reader."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from prefect_azure_batch.blocks.hiding import without_hidden
from prefect_azure_batch.tasks.errors import BatchFlowError


class NotWritten(BatchFlowError):
    """Standard output did not take a result."""


def open_standard_streams() -> None:
    """Leads standard output and error nowhere where they are closed, so that no other file takes their numbers."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            stream = Path(os.devnull).open("w")  # noqa: SIM115 - stays open as long as the program
            if stream.fileno() != number:
                os.dup2(stream.fileno(), number)
            setattr(sys, name, stream)


def streams_are_one() -> bool:
    """Whether standard output and error lead to the same place, so that a person reads both there."""
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):  # they are no files of the system
        return False


def printable(text: str) -> str:
    """The text without what a terminal would obey instead of show, and without secrets."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in without_hidden(text)
    )


def write_lines(lines: Iterable[str]) -> None:
    """Writes lines to standard output.

    Raises:
        NotWritten: it takes none. What was not written then does not come up again when the program ends.
    """
    try:
        for line in lines:
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise NotWritten(f"The result could not be written to standard output: {error.strerror}.") from None
