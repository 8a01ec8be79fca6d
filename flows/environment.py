"""Prefect's settings for a run from the command line; import this before Prefect.

What the user has set stays. The sizes of the recorder's batches are measured: with Prefect's defaults its temporary
server takes some 30 ms of CPU to record one task run, with these about 10 ms.
"""

import ctypes
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TextIO

from prefect_azure_batch.flows.preflight import check_directory

RECORDING = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_SERVICES_TRIGGERS_READ_BATCH_SIZE": "200",
}
"""How a server records what many task runs tell it: docs/server.md says what that changes."""
_SETTINGS = {
    "DO_NOT_TRACK": "1",
    # Some 6 seconds for each call of a server that is gone, in place of a minute.
    "PREFECT_CLIENT_MAX_RETRIES": "2",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    **RECORDING,
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_INTERNAL_LOGGING_LEVEL": "CRITICAL",
    # The command line says itself what went wrong, in one line instead of a traceback.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}
_OWN_LOGGERS = ("prefect_azure_batch",)
# What a person wants to know though nothing is wrong.
_TOLD_LOGGERS = (
    "prefect_azure_batch.tasks.scaling",
    "prefect_azure_batch.tasks.pool",
    "prefect_azure_batch.flows.progress",
)

_is_command_line = threading.Event()

# Of mallopt. Source: <malloc.h> of the GNU C library.
_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
_LARGE, _ARENAS = 128 << 10, 2


def prepare() -> None:
    """Sets what the user has not, and sends our own warnings to standard error.

    Raises:
        BadInput: Prefect's home directory cannot be written to.
    """
    _is_command_line.set()
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    check_directory(home, "Prefect's home directory", "set PREFECT_HOME to another.")
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    handler = _StderrHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    for name in _OWN_LOGGERS:
        logging.getLogger(name).addHandler(handler)
    for name in _TOLD_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    _bound_heaps()


def is_command_line() -> bool:
    """Whether this process is a run from the command line: Prefect says little then, and a person looks on."""
    return _is_command_line.is_set()


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment: also to what shows a picture there, and lines above it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Standard error."""
        return sys.stderr


def _bound_heaps() -> None:
    """Has threads share heaps, and what large buffers took go back to the system; else both grow with the inputs."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:  # not every C library has it
        mallopt(_ARENA_MAX, _ARENAS)
        mallopt(_MMAP_THRESHOLD, _LARGE)
