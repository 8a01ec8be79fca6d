"""An MPI program over two nodes of a real account, or of a local one."""

import re
from pathlib import Path

import pytest

from prefect_azure_batch.flows.examples import example
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from tests.live.conftest import World, limits
from tests.support.live import RUN_MINUTES

# Nodes of Azure have no MPI on this image; those of localbatch have one, so that nothing is installed on this machine.
PREPARE = """command -v mpicc > /dev/null || {{ apt-get -q update && apt-get -qy install gcc mpich; }}
mpicc -O2 -o ring ring.c && chmod 755 ring"""


def test_the_ring_passes_through_each_rank_once_on_two_nodes(world: World, tmp_path: Path) -> None:
    if not world.compiles:
        pytest.skip("there is no C compiler")
    asked = {
        "app": str(example("mpi") / "app"),
        "setup": PREPARE,
        "elevated": True,
        "command": "{app}/ring numbers.txt",
        "inputs": [str(example("mpi") / "inputs" / "numbers.txt")],
        "nodes": 2,
        "new_pool": {"image": "canonical:ubuntu-24_04-lts:server"},
        "results": str(tmp_path / "out"),
    }
    with world.ceiling.taking(2, RUN_MINUTES):
        result = mpi_flow(MpiParameters.model_validate(limits(world, asked) | asked))
    printed = Path(result.tasks[0].stdout or "").read_text()
    ranks = re.findall(r"^rank = (\d+) and size = 2 on \S+ \((\S+)\)$", printed, re.MULTILINE)
    assert sorted(rank for rank, _ in ranks) == ["0", "1"]
    assert {node for _, node in ranks} == {result.tasks[0].node_id, result.subtasks[0].node_id}
    assert (result.exit_code, [subtask.exit_code for subtask in result.subtasks]) == (0, [0])
    assert world.made_for(result.run_id) == []
