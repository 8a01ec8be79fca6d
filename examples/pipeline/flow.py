"""A flow of your own: map, then MPI, then map again, made of the stages of this project.

    python examples/pipeline/flow.py [RESULTS DIRECTORY]

Weather stations have each written a file of temperatures. A map counts each station's days by season and temperature;
an MPI program adds the counts of all stations up; a second map draws a picture of each season. What one step writes
goes to the next from blob to node, not over this machine. Without an account it runs on a local Azure.

Maps and MPI tasks have runs with pools of their own: an MPI task needs all its nodes idle at the same time, and would
wait behind a map's tasks. On a real account the nodes need Python 3 and mpi4py.
"""

import sys
from pathlib import Path

from prefect import flow

import prefect_azure_batch as batch

HERE = Path(__file__).resolve().parent
MAPPING = batch.RunPlan("map", program=HERE / "app", pool=batch.PoolDescription(nodes=2, slots=2))
SOLVING = batch.RunPlan("mpi", program=HERE / "app", pool=batch.PoolDescription(nodes=2), instances=2)
COUNT = batch.TaskPlan("python3 {app}/count.py {input} > {stem}.json", outputs=("*.json",))
ADD_UP = batch.MultiInstancePlan(
    "python3 -m mpi4py {app}/reduce.py", batch.Launch("mpich", instances=2, ranks_per_node=2), outputs=("seasons/*.json",)
)
DRAW = batch.TaskPlan("python3 {app}/draw.py {input} > {stem}.svg", outputs=("*.svg",))


@flow(name="seasons", persist_result=False)
def seasons(inputs: list[str], results: Path, account: str | None = None) -> list[Path]:
    """Draws how warm the seasons were, from the readings of several weather stations.

    Args:
        inputs: files, globs or directories of readings, or blobs as az://container/prefix.
        results: local directory that takes the pictures.
        account: name of an Azure Batch account block. Not given: a local Azure.

    Returns:
        Paths of the pictures.
    """
    with (
        batch.open_account(account) as azure,
        batch.open_run(azure, MAPPING) as mapping,
        batch.open_run(azure, SOLVING) as solving,
    ):
        readings = batch.upload_inputs_task(azure.storage, batch.find_inputs(inputs, batch.blob_lister(azure.storage)))
        counted = batch.wait_for_tasks_task(azure, mapping, batch.add_tasks_task(azure, mapping, readings, COUNT))
        batch.require_success(counted)

        counts = batch.list_outputs_task(azure.storage, mapping, counted)
        added = batch.submit_multi_instance_task(azure, solving, counts, ADD_UP)
        added_up = batch.wait_for_multi_instance_task(azure, solving, added, instances=2)
        batch.require_success([added_up])

        totals = batch.list_outputs_task(azure.storage, solving, [added_up])
        drawn = batch.wait_for_tasks_task(azure, mapping, batch.add_tasks_task(azure, mapping, totals, DRAW))
        batch.require_success(drawn)
        collected = batch.collect_outputs_task(azure.storage, mapping, drawn, results)
    return [path for files in collected for path in files.outputs]


if __name__ == "__main__":
    for path in seasons([str(HERE / "inputs")], Path(*sys.argv[1:] or ["results", "seasons"])):
        print(path)
