"""How busy this machine is, as the resource metrics of nodes: all nodes share it.

Megabytes and gigabytes are what the article says of ``$MemoryBytes`` and ``$DiskBytes``, whatever their names; CPU
usage lies between 0 and 1, as its formulas have it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import psutil

_MEGABYTE, _GIGABYTE = 1e6, 1e9


class Machine:
    """Measures what was used since the measurement before. What this machine does not tell is left out.

    Args:
        place: a directory on the disk whose use is measured.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._former = _collect(_networks, _disks)
        _collect(_cpu)

    def measure(self, seconds: float) -> dict[str, float]:
        """Returns the resource metrics by their variables.

        Args:
            seconds: how long ago the measurement before was.
        """
        counted = _collect(_networks, _disks)
        # Counters start anew when a device goes.
        used = {name: max(0.0, value - self._former.get(name, value)) for name, value in counted.items()}
        self._former = counted
        return {"$WallClockSeconds": seconds, **_collect(_cpu, _memory, self._disk), **used}

    def _disk(self) -> Mapping[str, float]:
        return {"$DiskBytes": psutil.disk_usage(str(self._place)).used / _GIGABYTE}


def _collect(*sources: Callable[[], Mapping[str, float]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for source in sources:
        # NotImplementedError is how psutil says that the system has no such counters.
        with suppress(OSError, psutil.Error, NotImplementedError):
            found |= source()
    return found


def _cpu() -> Mapping[str, float]:
    return {"$CPUPercent": psutil.cpu_percent(interval=None) / 100}


def _memory() -> Mapping[str, float]:
    return {"$MemoryBytes": psutil.virtual_memory().used / _MEGABYTE}


def _networks() -> Mapping[str, float]:
    counters = [each for name, each in psutil.net_io_counters(pernic=True).items() if name != "lo"]
    return {
        "$NetworkInBytes": float(sum(each.bytes_recv for each in counters)),
        "$NetworkOutBytes": float(sum(each.bytes_sent for each in counters)),
    }


def _disks() -> Mapping[str, float]:
    counters = psutil.disk_io_counters()
    if counters is None:
        return {}
    return {
        "$DiskReadBytes": float(counters.read_bytes),
        "$DiskWriteBytes": float(counters.write_bytes),
        "$DiskReadOps": float(counters.read_count),
        "$DiskWriteOps": float(counters.write_count),
    }
