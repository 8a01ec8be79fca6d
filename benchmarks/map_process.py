"""The process of a map flow, and what it has cost: seconds, processor time, memory."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from localbatch.launcher import CONNECTION_VARIABLE
from localbatch.wire.connection import Endpoints

MIB = 2**20
_OK = (0, 1)  # 1: some tasks have failed


@dataclass(frozen=True)
class Cost:
    """What a process has cost.

    Attributes:
        seconds: from its start to its end.
        cpu: seconds of processors, its children's included.
        peak: the most memory it took, in bytes.
    """

    seconds: float
    cpu: float
    peak: int


class MapProcess:
    """A map that runs in a process of its own.

    Args:
        endpoints: the Azure that it runs on.
        folder: takes its connection file, results and log.
        arguments: of the command line.
        environment: variables besides those of this process.
    """

    def __init__(
        self, endpoints: Endpoints, folder: Path, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        connection = folder / "azure.json"
        connection.write_text(endpoints.to_line())
        self._folder, self._begun = folder, time.perf_counter()
        self._results = folder / "results" / "index.jsonl"
        command = [sys.executable, "-m", "prefect_azure_batch.flows.map_flow", *arguments]
        with (folder / "map.log").open("w") as log:
            self._process = subprocess.Popen(
                [*command, "--results", str(folder / "results")],
                env={**os.environ, **environment, CONNECTION_VARIABLE: str(connection)},
                stdout=log,
                stderr=log,
            )

    def wait(self) -> Cost:
        """Waits for its end.

        Raises:
            SystemExit: it could not be carried out; with the end of what it has said.
        """
        try:
            _, status, usage = os.wait4(self._process.pid, 0)
        except BaseException:  # this program is told to end
            self.stop()
            raise
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode not in _OK or not self._results.exists():
            raise SystemExit(self.said()[-2000:])
        return Cost(time.perf_counter() - self._begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def stop(self) -> None:
        """Kills it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def results(self) -> int:
        """How many tasks have a result."""
        return sum(1 for _ in self._index())

    def span(self) -> float:
        """Seconds from the start of its first task to the end of its last one."""
        known = [each for each in self._index() if each["started"] and each["ended"]]
        first, last = min(each["started"] for each in known), max(each["ended"] for each in known)
        return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()

    def _index(self) -> Iterator[dict[str, Any]]:
        with self._results.open("rb") as lines:
            yield from map(json.loads, lines)

    def said(self) -> str:
        """All that it has printed."""
        return (self._folder / "map.log").read_text()
