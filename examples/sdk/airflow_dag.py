"""Apache Airflow's AzureBatchOperator against localbatch: `python -m localbatch > azure.json &`, then `python airflow_dag.py azure.json`.

Needs apache-airflow 3 and apache-airflow-providers-microsoft-azure, and a database (`airflow db migrate`). What Airflow needs to know
is the connection alone; here it comes by a variable, so that the DAG can be run without a scheduler.
"""

import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

if __name__ == "__main__":
    ready = json.loads(Path(sys.argv[1]).read_text())
    os.environ["AIRFLOW_CONN_AZURE_BATCH_DEFAULT"] = json.dumps({
        "conn_type": "azure_batch", "login": ready["batch_account"], "password": ready["batch_key"],
        "extra": {"account_url": ready["batch_endpoint"]}})
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "WARNING")

from airflow.providers.microsoft.azure.hooks.batch import AzureBatchHook
from airflow.providers.microsoft.azure.operators.batch import AzureBatchOperator
from airflow.sdk import dag, task
from azure.batch import models
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

IMAGE = {
    "vm_publisher": "canonical", "vm_offer": "ubuntu-24_04-lts", "vm_sku": "server", "vm_version": "latest",
    "vm_node_agent_sku_id": "batch.node.ubuntu 24.04"}


def run(name: str, command: str) -> AzureBatchOperator:
    """One task in a job of its own; all share a pool, which the first one makes."""
    return AzureBatchOperator(
        task_id=name, batch_pool_id="airflow", batch_pool_vm_size="standard_d2s_v3", target_dedicated_nodes=2, batch_job_id=name,
        batch_task_id="task", batch_task_command_line=f"/bin/bash -c '{command}'", timeout=5, **IMAGE)


@task
def look() -> None:
    """What the operator does not do, by the client of its hook."""
    hook = AzureBatchHook()
    print("connection:", hook.test_connection())
    client = hook.get_conn()
    pool = client.get_pool("airflow")
    print("pool:", pool.state.value, pool.allocation_state.value, pool.current_dedicated_nodes)
    print("nodes:", [node.state.value for node in client.list_nodes("airflow", select=["id", "state"])])
    print("node counts:", next(iter(client.list_pool_node_counts(filter="poolId eq 'airflow'"))).dedicated.total)
    print("jobs:", sorted(job.id for job in client.list_jobs(filter="state eq 'active'")))
    print("succeeded:", client.get_job_task_counts("works").task_counts.succeeded)
    print("stdout:", b"".join(client.download_task_file("works", "task", "stdout.txt")).decode().strip())
    print("files:", sorted(file.name for file in client.list_task_files("works", "task")))
    failed = next(iter(client.list_tasks("fails", filter="executionInfo/result eq 'failure'")))
    print("failed:", failed.id, failed.execution_info.exit_code, failed.execution_info.failure_info.code)
    node = failed.node_info
    said = client.download_node_file(node.pool_id, node.node_id, f"{node.task_root_directory}/stderr.txt")
    print("its stderr:", b"".join(said).decode().strip())
    client.update_job("works", models.BatchJobUpdateOptions(priority=7))
    print("priority:", client.get_job("works", select=["priority"]).priority)
    try:
        client.get_task("works", "missing")
    except ResourceNotFoundError as error:
        print("missing:", error.error.code)
    try:
        client.create_job(hook.configure_job("works", "airflow"))
    except ResourceExistsError as error:
        print("created twice:", error.error.code)
    client.reactivate_task("fails", "task")
    client.begin_terminate_job("works", options={"terminateReason": "enough"}, polling_interval=1).result()
    print("job ended:", client.get_job("works").execution_info.termination_reason)
    for job in ("works", "fails"):
        client.begin_delete_job(job, polling_interval=1).result()
    client.begin_delete_pool("airflow", polling_interval=1).result()
    print("pools left:", [pool.id for pool in client.list_pools()])


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def azure_batch():
    """One task succeeds, one fails as it should, and then one looks around and cleans up."""
    works, fails = run("works", "echo hello from $AZ_BATCH_NODE_ID"), run("fails", "echo no luck >&2; exit 3")
    works >> fails >> look.override(trigger_rule="all_done")()


the_dag = azure_batch()

if __name__ == "__main__":
    states = {each.task_id: each.state for each in the_dag.test().get_task_instances()}
    print("states:", {name: str(state) for name, state in sorted(states.items())})
    sys.exit(states != {"works": "success", "fails": "failed", "look": "success"})
