"""What a benchmark was measured on: the machine, and the versions of what took part."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = ("prefect", "azure-batch", "azure-storage-blob", "azure-core", "obstore", "starlette", "uvicorn", "httpx")
_AIRFLOW_PACKAGES = ("apache-airflow", "apache-airflow-providers-microsoft-azure")


@dataclass(frozen=True)
class Machine:
    """Where and when.

    Attributes:
        date: in UTC.
        processor: its name.
        cores: those that this program may use.
        memory_gib: of the machine.
        system: kernel and its version.
        python: its version.
        packages: versions by name.
        load: average number of busy processes in the minute before.
        commit: of this project; empty where there is no git.
    """

    date: str
    processor: str
    cores: int
    memory_gib: float
    system: str
    python: str
    packages: Mapping[str, str]
    load: float
    commit: str

    def __str__(self) -> str:
        """As sentences."""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        commit = f", commit {self.commit}" if self.commit else ""
        return (
            f"On {self.date}{commit}: {self.processor}, {self.cores} cores, {self.memory_gib:g} GiB, {self.system}, "
            f"Python {self.python}, {packages}. The load average just before was {self.load:g}."
        )


def describe(airflow: str | None = None) -> Machine:
    """This machine, now; with the versions of a Python that has Airflow."""
    return Machine(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        processor=processor(Path("/proc/cpuinfo").read_text()) or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages=versions(_PACKAGES) | (airflow_versions(airflow) if airflow else {}),
        load=round(os.getloadavg()[0], 1),
        commit=commit(),
    )


def processor(info: str) -> str:
    """The name of the processor, in what Linux says of it; empty if it does not."""
    names = (text.partition(":")[2].strip() for text in info.splitlines() if text.startswith("model name"))
    return next(names, "")


def versions(names: Sequence[str]) -> dict[str, str]:
    """Of packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def airflow_versions(python: str) -> dict[str, str]:
    """Airflow's in another Python; none if it has not all of it. To import Airflow would make directories."""
    code = "import importlib.metadata as m, sys; print(*(m.version(name) for name in sys.argv[1:]))"
    try:
        done = subprocess.run([python, "-c", code, *_AIRFLOW_PACKAGES], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return dict(zip(_AIRFLOW_PACKAGES, done.stdout.split(), strict=True))


def commit() -> str:
    """What is checked out, with a plus sign if it was changed since."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
