"""Launcher lines: how each MPI starts its ranks on the nodes of a multi-instance task. Text alone, nothing is run.

MPICH, MVAPICH and Intel MPI share the Hydra launcher and its options; Open MPI has its own. Sources: the manual pages
of ``mpiexec.hydra`` and of Open MPI 4.1's ``mpirun``, Intel's reference of ``mpirun``; "Use multi-instance tasks to run
MPI applications in Batch", Microsoft Learn, for the variables of the nodes.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from prefect_azure_batch.tasks.errors import BadInput

Mpi = Literal["mpich", "mvapich", "openmpi", "intel"]
Fabric = Literal["tcp", "infiniband"]

DEFAULT_MPI: Mpi = "mpich"

HOST_LIST_VARIABLE = "AZ_BATCH_HOST_LIST"
SHARED_DIRECTORY_VARIABLE = "AZ_BATCH_TASK_SHARED_DIR"
"""The one directory that Batch promises on every node of a multi-instance task: the task's own, one above ``wd``."""

MPI_VARIABLES = {"shared": SHARED_DIRECTORY_VARIABLE}
"""The placeholders of an MPI task's commands besides ``{app}``, and the variables they become."""

NO_LAUNCHER = 127

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTEL_PROVIDERS: dict[Fabric, str] = {"tcp": "tcp", "infiniband": "mlx"}
_OPENMPI_FABRICS: dict[Fabric, str] = {
    "tcp": "--mca pml ob1 --mca btl tcp,self,vader",
    "infiniband": "--mca pml ucx",
}
# Open MPI hands on nothing by itself. These are the same on every node, unlike AZ_BATCH_NODE_ID.
_SAME_EVERYWHERE = (
    "AZ_BATCH_ACCOUNT_NAME",
    "AZ_BATCH_POOL_ID",
    "AZ_BATCH_JOB_ID",
    "AZ_BATCH_TASK_ID",
    "AZ_BATCH_HOST_LIST",
    "AZ_BATCH_TASK_SHARED_DIR",
)
# How Azure's HPC images name their environment modules, best first. MPICH's line is one that all Hydra launchers read.
_MODULES: dict[Mpi, str] = {
    "mpich": "mpi/mpich mpi/mvapich mpi/impi",
    "mvapich": "mpi/mvapich",
    "openmpi": "mpi/openmpi mpi/hpcx",
    "intel": "mpi/impi",
}
# A node whose PATH has an mpirun is left as it is. Names are looked up, for they differ between images (mpi/impi-2021).
_FIND_LAUNCHER = """
load_mpi() {{
for init in /etc/profile.d/modules.sh /usr/share/modules/init/bash; do
if [ -r "$init" ]; then . "$init"; break; fi; done;
for name in "$@"; do for found in $(module -t avail mpi 2>&1); do
if [[ $found == "$name"* ]] && module load "${{found%%(*}}"; then return; fi; done; done; }};
command -v mpirun >/dev/null || load_mpi {modules};
command -v mpirun >/dev/null || {{ echo {complaint} >&2; exit {status}; }};
"""


@dataclass(frozen=True)
class Launch:
    """How the ranks of an MPI program are started.

    Attributes:
        mpi: the MPI whose ``mpirun`` is on the nodes.
        instances: number of nodes.
        ranks_per_node: ranks on each of them.
        fabric: the network between the nodes.
        hosts: addresses of the nodes; empty for those that Batch names in ``AZ_BATCH_HOST_LIST``.
        directory: where the ranks work; empty for ``AZ_BATCH_TASK_SHARED_DIR``.
        variables: names and values of environment variables for the ranks.
        passed: names of environment variables of the task that the ranks get too, besides those that Batch sets alike
            on every node.
    """

    mpi: Mpi
    instances: int
    ranks_per_node: int = 1
    fabric: Fabric = "tcp"
    hosts: tuple[str, ...] = ()
    directory: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    passed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mpi not in get_args(Mpi):
            raise BadInput(f"There is no MPI {self.mpi!r}: choose one of {', '.join(get_args(Mpi))}.")
        if self.fabric not in get_args(Fabric):
            raise BadInput(f"There is no fabric {self.fabric!r}: choose one of {', '.join(get_args(Fabric))}.")
        if self.instances < 1 or self.ranks_per_node < 1:
            raise BadInput(f"{self.ranks_per_node} ranks on each of {self.instances} nodes: ask for 1 or more of both.")
        for name in (*dict(self.variables), *self.passed):
            if not _NAME.fullmatch(name):
                raise BadInput(f"{name!r} is no name of an environment variable: letters, digits and '_'.")

    @property
    def ranks(self) -> int:
        """Ranks in total."""
        return self.instances * self.ranks_per_node


def launcher_line(launch: Launch) -> str:
    """The launcher and its options, as shell text to which the program and its arguments are added."""
    options = _openmpi_options if launch.mpi == "openmpi" else _hydra_options
    return " ".join(["mpirun", *options(launch)])


def application_script(launch: Launch, command: str) -> str:
    """The script of an MPI task's primary: finds the launcher, then becomes it.

    Its exit code is the launcher's, or 127 where the node has none. A node without ``mpirun`` on its path, but with
    environment modules, gets the module of the MPI loaded, as on Azure's HPC images.

    Args:
        launch: how the ranks are started.
        command: shell text: the program that each rank runs, and its arguments.
    """
    complaint = (
        f"There is no mpirun on this node for {launch.mpi}: use a VM image that brings it, or install it in the setup "
        "and give the whole line as the application command."
    )
    find = _FIND_LAUNCHER.format(modules=_MODULES[launch.mpi], complaint=shlex.quote(complaint), status=NO_LAUNCHER)
    # One line: it is read again in Azure's portal. A pipe in the command must not hide how the program ended.
    return f"set -o pipefail; {' '.join(find.split())} exec {launcher_line(launch)} {command.strip()}"


def _hydra_options(launch: Launch) -> Iterator[str]:
    hosts = shlex.quote(",".join(launch.hosts)) if launch.hosts else f'"${HOST_LIST_VARIABLE}"'
    yield f"-np {launch.ranks} -ppn {launch.ranks_per_node} -hosts {hosts} -wdir {_directory(launch)}"
    if launch.mpi == "intel":
        yield f"-genv I_MPI_FABRICS shm:ofi -genv FI_PROVIDER {_INTEL_PROVIDERS[launch.fabric]}"
    for name, value in launch.variables:
        yield f"-genv {name} {shlex.quote(value)}"
    # Hydra hands on the whole environment by itself: nothing needs to be said of what is to be passed.


def _openmpi_options(launch: Launch) -> Iterator[str]:
    slots = launch.ranks_per_node
    if launch.hosts:
        hosts = shlex.quote(",".join(f"{host}:{slots}" for host in launch.hosts))
    else:
        hosts = f'"${{{HOST_LIST_VARIABLE}//,/:{slots},}}:{slots}"'
    yield f"-np {launch.ranks} --host {hosts} --map-by ppr:{slots}:node --wdir {_directory(launch)}"
    yield _OPENMPI_FABRICS[launch.fabric]
    yield "-x PATH ${LD_LIBRARY_PATH:+-x LD_LIBRARY_PATH}"
    for name in (*_SAME_EVERYWHERE, *launch.passed):
        yield f"-x {name}"
    for name, value in launch.variables:
        yield f"-x {shlex.quote(f'{name}={value}')}"


def _directory(launch: Launch) -> str:
    return shlex.quote(launch.directory) if launch.directory else f'"${SHARED_DIRECTORY_VARIABLE}"'
