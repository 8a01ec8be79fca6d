"""Programs on a terminal, and what stands on its screen."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_ROWS, _CHUNK = 50, 65536
_PIECES = re.compile(r"\x1b\[(?P<number>\d*)(?P<order>[AK])|\x1b\[[0-9;?]*[a-zA-Z]|\r|\n|[^\x1b\r\n]+")


@dataclass(frozen=True)
class Recording:
    """What a program has written to a terminal, with the seconds since its begin; and to standard output beside it."""

    status: int
    pieces: Sequence[tuple[float, bytes]]
    stdout: str

    def screens(self) -> Iterator[tuple[float, list[str]]]:
        """All lines that have come up so far, after each piece."""
        screen = Screen()
        for seconds, piece in self.pieces:
            screen.feed(piece.decode(errors="replace"))
            yield seconds, screen.lines


class Screen:
    """A terminal that is as high as it must be, and knows the few orders that rich gives."""

    def __init__(self) -> None:
        self._lines, self._row, self._column = [""], 0, 0

    @property
    def lines(self) -> list[str]:
        """What stands on it, with no spaces at the ends of lines."""
        return [line.rstrip() for line in self._lines]

    def feed(self, text: str) -> None:
        """Takes what a program writes."""
        for found in _PIECES.finditer(text):
            piece, order = found[0], found["order"]
            if piece == "\r":
                self._column = 0
            elif piece == "\n":
                self._row += 1
                self._lines += [""] * (self._row + 1 - len(self._lines))
            elif order == "A":
                self._row = max(0, self._row - int(found["number"] or 1))
            elif order == "K":
                self._lines[self._row] = ""
            elif not piece.startswith("\x1b"):
                line = self._lines[self._row].ljust(self._column)
                self._lines[self._row] = line[: self._column] + piece + line[self._column + len(piece) :]
                self._column += len(piece)


def record(
    command: Sequence[str],
    environment: Mapping[str, str],
    columns: int,
    *,
    directory: Path | None = None,
    pipes_stdout: bool = False,
) -> Recording:
    """Runs a program on a terminal to its end.

    Args:
        command: the program and its arguments.
        environment: of it.
        columns: of the terminal.
        directory: in which it runs; None for this one.
        pipes_stdout: standard output leads elsewhere.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    begun, pieces = time.monotonic(), list[tuple[float, bytes]]()

    def read() -> None:
        while True:
            try:
                piece = os.read(master, _CHUNK)
            except OSError:  # nobody has it open any more
                return
            pieces.append((time.monotonic() - begun, piece))

    stdout = subprocess.PIPE if pipes_stdout else slave
    variables = {**environment, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        command, cwd=directory, env=variables, stdin=subprocess.DEVNULL, stdout=stdout, stderr=slave, text=True
    )
    os.close(slave)
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    printed, _ = process.communicate()
    reader.join(10)
    os.close(master)
    return Recording(process.returncode, pieces, printed or "")
