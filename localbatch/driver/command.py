"""Splitting a command line: Batch runs no shell, so nothing is expanded, piped or redirected."""

import shlex


def split_options(line: str) -> list[str]:
    """Splits a line of arguments, which may be none, by the same rules.

    Raises:
        ValueError: a quote is not closed.
    """
    return shlex.split(line)


def split_command(line: str) -> list[str]:
    """Splits a command line into the program and its arguments, by the quoting rules of POSIX shells.

    Raises:
        ValueError: a quote is not closed, or there is no program.
    """
    words = shlex.split(line)
    if not words:
        raise ValueError("The command line is empty.")
    return words
