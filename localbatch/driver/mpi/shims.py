"""The directory by which the commands of a task on several nodes reach each other, and the variables that say so.

<directory>
├── bin          ssh, rsh, scp, mpirun, mpiexec, mpiexec.hydra: first on the PATH of the task's commands
├── tmp-127.1.0.4   temporary files of that node
├── 127.1.0.4    socket of a node, by its address
└── name         the same by its host name

Source of the settings: manuals of MPICH's Hydra, Intel MPI and Open MPI, and runs of each over nodes of one machine.
"""

import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localbatch.driver.interface import NodePlace
from localbatch.driver.mpi.variables import LAUNCH_DIRECTORY, OPEN_MPI_MEMORY
from localbatch.store.removal import remove_tree

_PACKAGES = str(Path(__file__).resolve().parents[3])
_MODULES = {
    "ssh": "agent",
    "rsh": "agent",
    "mpirun": "front",
    "mpiexec": "front",
    "mpiexec.hydra": "front",
}
# All nodes are this machine: its loopback interface joins them, and its cores are shared.
_INTERFACE = "lo" if sys.platform == "linux" else "lo0"


@dataclass(frozen=True)
class LaunchDirectory:
    """The directory of one task while it runs.

    Attributes:
        path: where it lies; in mount namespaces too it is seen there.
    """

    path: Path

    @property
    def programs(self) -> Path:
        """The directory of programs."""
        return self.path / "bin"

    def make(self, nodes: Iterable[NodePlace]) -> None:
        """Makes the directory, with programs and names; the sockets come with the nodes' supervisors."""
        self.path.mkdir(mode=0o700)
        self.programs.mkdir()
        for name, module in _MODULES.items():
            self._write(name, f"{_interpreter(module)} {name}")
        self._write("rank", _interpreter("rank"))
        self._write("scp", f"/usr/bin/scp -O -S {shlex.quote(str(self.programs / 'ssh'))}")
        for node in nodes:
            self._temporary(node).mkdir()
            (self.path / node.hostname).symlink_to(node.address)

    def remove(self) -> None:
        """Removes it."""
        remove_tree(self.path)

    def socket(self, node: NodePlace) -> Path:
        """Returns the place of a node's socket."""
        return self.path / node.address

    def variables(self, node: NodePlace) -> dict[str, str]:
        """Returns the variables that lead the launchers of MPICH, Intel MPI and Open MPI to these programs."""
        agent, rank = str(self.programs / "ssh"), str(self.programs / "rank")
        return {
            LAUNCH_DIRECTORY: str(self.path),
            "HYDRA_LAUNCHER": "ssh",
            "HYDRA_LAUNCHER_EXEC": agent,
            "HYDRA_IFACE": _INTERFACE,
            "HYDRA_ENV": "none",  # ranks have the variables of their own node, to which the agent adds the caller's
            "I_MPI_HYDRA_BOOTSTRAP": "ssh",
            "I_MPI_HYDRA_BOOTSTRAP_EXEC": agent,
            "I_MPI_HYDRA_IFACE": _INTERFACE,
            "I_MPI_GTOOL": f"{rank}:all",
            "I_MPI_PIN": "0",
            "I_MPI_WAIT_MODE": "1",
            # Between nodes goes TCP, not the memory they share.
            "MPIR_CVAR_CH4_NETMOD": "ofi",
            "FI_PROVIDER": "tcp",
            "FI_TCP_IFACE": _INTERFACE,
            "UCX_TLS": "tcp,self,sm",
            "OMPI_MCA_plm_rsh_agent": agent,
            "PRTE_MCA_plm_ssh_agent": agent,
            "OMPI_MCA_orte_fork_agent": rank,
            "PRTE_MCA_odls_base_exec_agent": rank,
            "OMPI_MCA_btl_tcp_if_include": _INTERFACE,
            # Open MPI names its files by host, and all nodes are one where there are no namespaces.
            "TMPDIR": str(self._temporary(node)),
            OPEN_MPI_MEMORY: str(self._temporary(node)),
            # It takes nodes of equal host names for one, and they are equal where there are no namespaces.
            "OMPI_MCA_coll": "^han",
            "OMPI_MCA_mpi_yield_when_idle": "1",
            "OMPI_MCA_hwloc_base_binding_policy": "none",
            "PRTE_MCA_hwloc_default_binding_policy": "none",
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        }

    def _temporary(self, node: NodePlace) -> Path:
        return self.path / f"tmp-{node.address}"

    def _write(self, name: str, command: str) -> None:
        program = self.programs / name
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        program.chmod(0o755)


def _interpreter(module: str) -> str:
    code = f"import sys; sys.path.append({_PACKAGES!r}); from localbatch.driver.mpi.{module} import main; main()"
    return " ".join(shlex.quote(word) for word in (sys.executable, "-I", "-S", "-c", code))
