"""The last lines of a task's logs."""

import re
from pathlib import Path

from prefect_azure_batch.blocks.hiding import without_hidden

TAIL_BYTES = 4000

_TAIL_LINES = 10
# Hydra's processes tell how each of them heard that a rank has failed, which would push out why it has.
_LAUNCHER = re.compile(r"\[(mpiexec|proxy)[:@]")


def tail(path: Path | None) -> str:
    """The last lines of a log, at most 10 lines and 4,000 bytes; empty if there is none."""
    if path is None:
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return last_lines(file.read())


def last_lines(content: bytes) -> str:
    """The last lines of a piece of a log, at most 10; no secrets, and not what a launcher of MPI says of its inside."""
    lines = without_hidden(content.decode(errors="replace").rstrip()).splitlines()
    own = [line for line in lines if not _LAUNCHER.match(line)]
    return "\n".join((own or lines)[-_TAIL_LINES:])


def with_stderr(message: str, stderr: str) -> str:
    """A message, and on the same line the last lines of a standard error; the message alone if there are none."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return f"{message.removesuffix('.')}; stderr ends: {' / '.join(lines)}" if lines else message
