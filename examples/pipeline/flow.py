"""A flow of your own: map, then MPI, then map again, made of the stages of this project.

    python examples/pipeline/flow.py [--account NAME] [--results DIRECTORY]

Weather stations have each written a file of temperatures. A map counts each station's days by season and temperature;
an MPI program adds the counts of all stations up; a second map draws a picture of each season. What one step writes
goes to the next from blob to node, not over this machine. Without an account it runs on a local Azure.

Maps and MPI tasks have pools of their own: an MPI task needs all its nodes idle at the same time, and would wait behind
a map's tasks. On a real account the nodes need Python 3 and mpi4py.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from prefect_azure_batch.flows.environment import prepare

prepare()  # settings for a short run; Prefect reads them when it is imported

from prefect import flow
from prefect.runtime import flow_run

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.flows.recording import wait_until_recorded
from prefect_azure_batch.tasks.application import ship_program_task
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.collect import collect_outputs_task
from prefect_azure_batch.tasks.command import parse_template
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.job import close_job_task, create_job_task
from prefect_azure_batch.tasks.launcher import Launch, application_script
from prefect_azure_batch.tasks.multi_instance import submit_multi_instance_task
from prefect_azure_batch.tasks.nodes import wait_for_nodes_task
from prefect_azure_batch.tasks.outputs import list_outputs_task
from prefect_azure_batch.tasks.pool import create_pool_task
from prefect_azure_batch.tasks.records import (
    Created,
    EndedTask,
    JobPlan,
    MultiInstancePlan,
    PoolPlan,
    Program,
    StoredInput,
    TaskPlan,
)
from prefect_azure_batch.tasks.submit import add_tasks_task
from prefect_azure_batch.tasks.subtasks import wait_for_multi_instance_task
from prefect_azure_batch.tasks.upload import blob_lister, upload_inputs_task
from prefect_azure_batch.tasks.wait import wait_for_tasks_task

HERE = Path(__file__).resolve().parent
VM_SIZE = "standard_d2s_v3"
NODES = 2
COUNT = "python3 {app}/count.py {input} > {stem}.json"
ADD_UP = "python3 -m mpi4py {app}/reduce.py"
DRAW = "python3 {app}/draw.py {input} > {stem}.svg"


@flow(name="seasons", flow_run_name="seasons", persist_result=False)
def seasons(inputs: list[str], results: str, account: str | None = None) -> list[str]:
    """Draws how warm the seasons were, from the readings of several weather stations.

    Args:
        inputs: files, globs or directories of readings, or blobs as az://container/prefix.
        results: local directory that takes the pictures.
        account: name of an Azure Batch account block. Not given: a local Azure.

    Returns:
        Paths of the pictures.
    """
    run_id = f"seasons-{flow_run.id}"
    mapping = Created(f"{run_id}-map", f"{run_id}-map", (run_id,))
    solving = Created(f"{run_id}-mpi", f"{run_id}-mpi")
    with open_account(account) as azure, ExitStack() as at_the_end:
        at_the_end.callback(delete_created, azure, mapping)  # both, whatever happens
        at_the_end.callback(delete_created, azure, solving)
        pictures = run_stages(azure, inputs, Path(results), run_id)
    wait_until_recorded()
    return [str(path) for path in pictures]


def run_stages(azure: AzureBatchAccount, inputs: list[str], results: Path, run_id: str) -> list[Path]:
    """Map, MPI, map. Both maps are one job: its nodes unpack the program once."""
    map_id, mpi_id = f"{run_id}-map", f"{run_id}-mpi"
    create_pool_task(azure, PoolPlan(map_id, NODES, 2, VM_SIZE, run_id=run_id))
    create_pool_task(azure, PoolPlan(mpi_id, NODES, 1, VM_SIZE, run_id=run_id, inter_node=True))
    program = ship_program_task(azure.storage, HERE / "app")
    create_job_task(azure, JobPlan(map_id, map_id, run_id, program))
    create_job_task(azure, JobPlan(mpi_id, mpi_id, run_id, program))

    readings = upload_inputs_task(azure.storage, find_inputs(inputs, blob_lister(azure.storage)))
    counted = run_map(azure, map_id, run_id, program, readings, COUNT, "*.json")
    added_up = run_mpi(azure, mpi_id, run_id, program, list_outputs_task(azure.storage, run_id, counted))
    totals = list_outputs_task(azure.storage, run_id, [added_up])
    drawn = run_map(azure, map_id, run_id, program, totals, DRAW, "*.svg")
    close_job_task(azure, map_id)
    return [path for files in collect_outputs_task(azure.storage, run_id, drawn, results) for path in files.outputs]


def run_map(
    azure: AzureBatchAccount,
    job_id: str,
    container: str,
    program: Program,
    inputs: Sequence[StoredInput],
    command: str,
    outputs: str,
) -> list[EndedTask]:
    """Runs the command for each input, as a task of its own."""
    plan = TaskPlan(parse_template(command).script(program.variable), container, (outputs,))
    added = add_tasks_task(azure, job_id, inputs, plan, program)
    return [check(task) for task in wait_for_tasks_task(azure, job_id, job_id, added)]


def run_mpi(
    azure: AzureBatchAccount, job_id: str, container: str, program: Program, files: Sequence[StoredInput]
) -> EndedTask:
    """Runs the MPI program once, two ranks on each node, with all files on every node."""
    script = application_script(Launch("mpich", NODES, 2), parse_template(ADD_UP).script(program.variable))
    plan = MultiInstancePlan(ADD_UP, NODES, script, container, outputs=("seasons/*.json",))
    wait_for_nodes_task(azure, job_id, NODES)
    added = submit_multi_instance_task(azure, job_id, files, plan, program)
    close_job_task(azure, job_id)
    return check(wait_for_multi_instance_task(azure, job_id, job_id, added, NODES))


def check(task: EndedTask) -> EndedTask:
    """Ends the run where a task has failed: the next step could do nothing without its outputs."""
    if not task.end.succeeded:
        raise RuntimeError(f"{task.label} failed with exit code {task.end.exit_code}: {task.end.failure}")
    return task


def main() -> None:
    """Runs the flow on the readings beside this file."""
    parser = argparse.ArgumentParser(description="Map, then MPI, then map again.")
    parser.add_argument("--account", help="name of an Azure Batch account block; not given: a local Azure")
    parser.add_argument("--results", default="results/seasons", help="directory that takes the pictures")
    options = parser.parse_args()
    for path in seasons([str(HERE / "inputs")], options.results, options.account):
        print(path)


if __name__ == "__main__":
    main()
