"""Launcher lines: what each MPI is told, and what a shell makes of it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prefect_azure_batch.tasks.command import shell_command
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.launcher import DEFAULT_MPI, Launch, Mpi, application_script, launcher_line

HOSTS = '-hosts "$AZ_BATCH_HOST_LIST" -wdir "$AZ_BATCH_TASK_SHARED_DIR"'
OPENMPI_HOSTS = '--host "${AZ_BATCH_HOST_LIST//,/:2,}:2" --map-by ppr:2:node --wdir "$AZ_BATCH_TASK_SHARED_DIR"'
HOSTILE = ("two words", "it's", 'say "hi"', "$(touch injected)`x`", "-n", "a;b,c=d&e|f", "größe", "line\nbreak", "")

# Stands in for a launcher: shows what the shell has made of its arguments.
RECORDER = f"""#!{sys.executable}
import json, sys
print(json.dumps(sys.argv[1:]))
sys.exit(7)
"""


@pytest.mark.parametrize("mpi", ["mpich", "mvapich"])
def test_hydra_is_told_ranks_hosts_and_directory(mpi: Mpi) -> None:
    assert launcher_line(Launch(mpi, 3)) == f"mpirun -np 3 -ppn 1 {HOSTS}"
    assert launcher_line(Launch(mpi, 3, 2, "infiniband")) == f"mpirun -np 6 -ppn 2 {HOSTS}"


@pytest.mark.parametrize(("fabric", "provider"), [("tcp", "tcp"), ("infiniband", "mlx")])
def test_intel_mpi_is_told_the_fabric_besides(fabric: Any, provider: str) -> None:
    options = f"-genv I_MPI_FABRICS shm:ofi -genv FI_PROVIDER {provider}"
    assert launcher_line(Launch("intel", 3, 2, fabric)) == f"mpirun -np 6 -ppn 2 {HOSTS} {options}"


@pytest.mark.parametrize(
    ("fabric", "options"),
    [("tcp", "--mca pml ob1 --mca btl tcp,self,vader"), ("infiniband", "--mca pml ucx")],
)
def test_open_mpi_is_told_slots_of_each_host_and_what_to_hand_on(fabric: Any, options: str) -> None:
    line = launcher_line(Launch("openmpi", 3, 2, fabric, passed=("MY_OWN",)))
    assert line.startswith(f"mpirun -np 6 {OPENMPI_HOSTS} {options} -x PATH ")
    assert line.endswith("-x AZ_BATCH_HOST_LIST -x AZ_BATCH_TASK_SHARED_DIR -x MY_OWN")
    assert "AZ_BATCH_NODE_ID" not in line  # which would be the first node's everywhere


@pytest.mark.parametrize("mpi", ["mpich", "openmpi"])
def test_hosts_and_directory_may_be_named(mpi: Mpi) -> None:
    line = launcher_line(Launch(mpi, 2, hosts=("10.0.0.4", "10.0.0.5"), directory="/data/my run"))
    assert ("10.0.0.4:1,10.0.0.5:1" if mpi == "openmpi" else "10.0.0.4,10.0.0.5") in shlex.split(line)
    assert "/data/my run" in shlex.split(line)


def run_script(script: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a script as a node does: its command line split without a shell."""
    environment = {"PATH": f"{directory / 'bin'}:/usr/bin:/bin", **variables}
    return subprocess.run(
        shlex.split(shell_command(script)), env=environment, cwd=directory, capture_output=True, text=True, check=False
    )


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A directory whose ``bin`` has an ``mpirun`` that shows its arguments and exits 7."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mpirun").write_text(RECORDER)
    (tmp_path / "bin" / "mpirun").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("mpi", ["mpich", "intel", "openmpi"])
def test_any_value_of_a_variable_reaches_the_launcher_as_one_word(mpi: Mpi, value: str, node: Path) -> None:
    done = run_script(application_script(Launch(mpi, 1, variables=(("KEY", value),)), "program"), node)
    words = json.loads(done.stdout)
    given = f"KEY={value}" if mpi == "openmpi" else value
    assert words[-2:] == [given, "program"]
    assert sorted(os.listdir(node)) == ["bin"]


def test_open_mpi_gets_its_slots_from_the_list_of_hosts(node: Path) -> None:
    done = run_script(
        application_script(Launch("openmpi", 3, 4), "program"), node,
        AZ_BATCH_HOST_LIST="10.0.0.4,10.0.0.5,10.0.0.6", AZ_BATCH_TASK_SHARED_DIR="/mnt/a b", LD_LIBRARY_PATH="/lib",
    )  # fmt: skip
    words = json.loads(done.stdout)
    assert words[words.index("--host") + 1] == "10.0.0.4:4,10.0.0.5:4,10.0.0.6:4"
    assert words[words.index("--wdir") + 1] == "/mnt/a b"
    assert words[words.index("LD_LIBRARY_PATH") - 1] == "-x"


def test_the_exit_code_is_the_launchers_also_behind_a_pipe(node: Path) -> None:
    launch = Launch("mpich", 1)
    assert run_script(application_script(launch, "program"), node).returncode == 7
    assert run_script(application_script(launch, "program | sort"), node).returncode == 7


def test_a_node_without_a_launcher_is_told_in_one_line(tmp_path: Path) -> None:
    done = run_script(application_script(Launch("openmpi", 1), "program"), tmp_path, PATH="/nowhere")
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr.startswith("There is no mpirun on this node for openmpi: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_module_is_loaded_where_the_path_has_no_launcher(node: Path) -> None:
    (node / "bin").rename(node / "hidden")
    modules = f"""module() {{
        if [ "$1" = load ]; then PATH="{node}/hidden:$PATH"; echo "loaded $2"; return 0; fi
        printf '%s\\n' /usr/share/modules/modulefiles: 'mpi/hpcx(default)' mpi/impi-2021 mpi/openmpi >&2
    }}; """
    done = run_script(modules + application_script(Launch("intel", 1), "program"), node, PATH="/nowhere")
    assert (done.returncode, done.stdout.splitlines()[0]) == (7, "loaded mpi/impi-2021")
    done = run_script(modules + application_script(Launch("openmpi", 1), "program"), node, PATH="/nowhere")
    assert done.stdout.splitlines()[0] == "loaded mpi/openmpi"


def test_a_launcher_on_the_path_is_taken_and_no_module_loaded(node: Path) -> None:
    done = run_script("module() { echo loaded; }; " + application_script(Launch("mpich", 1), "program"), node)
    assert "loaded" not in done.stdout


@pytest.mark.parametrize(
    ("launch", "complaint"),
    [
        ({"mpi": "lam", "instances": 1}, "no MPI 'lam': choose one of mpich, mvapich, openmpi, intel"),
        ({"mpi": DEFAULT_MPI, "instances": 0}, "ask for 1 or more"),
        ({"mpi": DEFAULT_MPI, "instances": 1, "ranks_per_node": -1}, "ask for 1 or more"),
        ({"mpi": DEFAULT_MPI, "instances": 1, "fabric": "myrinet"}, "no fabric 'myrinet'"),
        ({"mpi": DEFAULT_MPI, "instances": 1, "variables": (("A B", "x"),)}, "'A B' is no name"),
        ({"mpi": DEFAULT_MPI, "instances": 1, "passed": ("-x",)}, "'-x' is no name"),
    ],
)
def test_what_no_launcher_can_do_is_refused_in_one_line(launch: dict[str, Any], complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint) as refused:
        Launch(**launch)
    assert "\n" not in str(refused.value)
