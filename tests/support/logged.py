"""A Batch service whose log a test reads."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localbatch.wire.connection import Endpoints

_STOP_SECONDS = 30


@contextmanager
def logged_service(log: Path, *options: str) -> Iterator[Endpoints]:
    """Runs ``python -m localbatch`` without Blob service, with its log in a file."""
    command = [sys.executable, "-m", "localbatch", "--no-storage", "--stop-with-stdin", *options]
    with (
        log.open("w") as stream,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True) as service,
    ):
        assert service.stdin is not None
        assert service.stdout is not None
        try:
            yield Endpoints.from_line(service.stdout.readline())
        finally:
            service.stdin.close()
            service.wait(_STOP_SECONDS)


def lines_with(log: Path, words: str) -> list[str]:
    """The lines of a log that hold these words."""
    return [line for line in log.read_text().splitlines() if words in line]
