"""How busy this machine is, as the resource metrics of nodes: all nodes share it.

Megabytes and gigabytes are what the article says of ``$MemoryBytes`` and ``$DiskBytes``, whatever their names; CPU
usage lies between 0 and 1, as its formulas have it.
"""

from collections.abc import Mapping
from pathlib import Path

import psutil

_MEGABYTE, _GIGABYTE = 1e6, 1e9


class Machine:
    """Measures what was used since the measurement before.

    Args:
        place: a directory on the disk whose use is measured.
    """

    def __init__(self, place: Path) -> None:
        self._place = place
        self._former = self._count()
        psutil.cpu_percent(interval=None)

    def measure(self, seconds: float) -> dict[str, float]:
        """Returns the resource metrics by their variables; what this machine does not tell is left out.

        Args:
            seconds: how long ago the measurement before was.
        """
        counted = self._count()
        # Counters start anew when a device goes.
        used = {name: max(0.0, value - self._former.get(name, value)) for name, value in counted.items()}
        self._former = counted
        return {
            "$CPUPercent": psutil.cpu_percent(interval=None) / 100,
            "$WallClockSeconds": seconds,
            "$MemoryBytes": psutil.virtual_memory().used / _MEGABYTE,
            "$DiskBytes": psutil.disk_usage(str(self._place)).used / _GIGABYTE,
            **used,
        }

    def _count(self) -> Mapping[str, float]:
        networks = [counters for name, counters in psutil.net_io_counters(pernic=True).items() if name != "lo"]
        counted = {
            "$NetworkInBytes": float(sum(each.bytes_recv for each in networks)),
            "$NetworkOutBytes": float(sum(each.bytes_sent for each in networks)),
        }
        disks = psutil.disk_io_counters()
        if disks is not None:
            counted |= {
                "$DiskReadBytes": float(disks.read_bytes),
                "$DiskWriteBytes": float(disks.write_bytes),
                "$DiskReadOps": float(disks.read_count),
                "$DiskWriteOps": float(disks.write_count),
            }
        return counted
