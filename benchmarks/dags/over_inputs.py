"""What one writes with Airflow: an upload, AzureBatchOperator mapped over the inputs, and a download at the end.

    PYTHON benchmarks/dags/over_inputs.py azure.json INPUTS RESULTS NODES SLOTS COMMAND

PYTHON is that of an environment of its own, and AIRFLOW_HOME a directory with a database of ``airflow db migrate``:

    python -m venv airflow
    airflow/bin/pip install "apache-airflow<3" apache-airflow-providers-microsoft-azure==15.2.1

(Airflow 3.3 runs it too, and takes four times the processor seconds to begin.) What the operator leaves open is chosen
for speed. It knows no slots, so the pool is made before, and found by it. All of its tasks are of one job. It waits as
a trigger that looks once a second, where it would look once in 15. The DAG runs in this process by ``dag.test()``, one
input after the other, where nothing waits for a scheduler and no process is started for a task.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

ready = json.loads(Path(sys.argv[1]).read_text())
inputs, results, (nodes, slots), command = Path(sys.argv[2]), Path(sys.argv[3]), map(int, sys.argv[4:6]), sys.argv[6]
os.environ["AIRFLOW_CONN_AZURE_BATCH_DEFAULT"] = json.dumps({
    "conn_type": "azure_batch", "login": ready["batch_account"], "password": ready["batch_key"],
    "extra": {"account_url": ready["batch_endpoint"]},
})  # fmt: skip

from airflow.providers.common.compat.sdk import dag, task  # noqa: E402  # it reads the environment
from airflow.providers.microsoft.azure.hooks.batch import AzureBatchHook  # noqa: E402
from airflow.providers.microsoft.azure.operators.batch import AzureBatchOperator  # noqa: E402
from azure.batch import models  # noqa: E402
from azure.storage.blob import BlobServiceClient, generate_container_sas  # noqa: E402

name = f"airflow-{os.getpid()}"  # Airflow imports this file again, in this process
container = BlobServiceClient.from_connection_string(ready["storage_connection_string"]).get_container_client(name)
publisher, offer, sku, agent = "canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04"


@task
def prepare() -> list[dict[str, object]]:
    """Uploads the inputs, makes the pool, and says what the operator is to do for each."""
    container.create_container()
    image = models.BatchVmImageReference(publisher=publisher, offer=offer, sku=sku)
    machine = models.VirtualMachineConfiguration(image_reference=image, node_agent_sku_id=agent)
    pool = models.BatchPoolCreateOptions(
        id=name, vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=nodes,
        task_slots_per_node=slots,
    )  # fmt: skip
    AzureBatchHook().connection.create_pool(pool)
    sas = generate_container_sas(
        ready["storage_account"], name, ready["storage_key"], permission="r",
        expiry=datetime.now(UTC) + timedelta(hours=2),
    )  # fmt: skip

    def task_of(number: int, file: Path) -> dict[str, object]:
        blob = container.upload_blob(file.name, file.read_bytes())
        return {
            "batch_task_id": f"task{number}",
            "batch_task_command_line": f"/bin/bash -c '{command.replace('{input}', file.name)}'",
            "batch_task_resource_files": [{"httpUrl": f"{blob.url}?{sas}", "filePath": file.name}],
        }

    files = sorted(inputs.iterdir())
    with ThreadPoolExecutor(16) as threads:
        return list(threads.map(task_of, range(len(files)), files))


@task
def collect() -> None:
    """Downloads what the tasks have printed, and deletes all."""
    client = AzureBatchHook().connection
    results.mkdir(parents=True)

    def fetch(done: models.BatchTask) -> None:
        printed = client.download_task_file(name, done.id, "stdout.txt")
        (results / f"{done.id}.txt").write_bytes(b"".join(printed))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(fetch, client.list_tasks(name)))
    client.begin_delete_job(name, polling_interval=1).result()
    client.begin_delete_pool(name, polling_interval=1).result()
    container.delete_container()


@dag(dag_id="over_inputs", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC))
def over_inputs() -> None:
    """One task of Batch for each input."""
    run = AzureBatchOperator.partial(
        task_id="run", batch_pool_id=name, batch_pool_vm_size="standard_d2s_v3", batch_job_id=name,
        vm_publisher=publisher, vm_offer=offer, vm_sku=sku, vm_node_agent_sku_id=agent, target_dedicated_nodes=nodes,
        deferrable=True, poll_interval=1,
    ).expand_kwargs(prepare())  # fmt: skip
    run >> collect()


flow = over_inputs()
if __name__ == "__main__":
    state = flow.test().state
    print(f"{len(list(inputs.iterdir()))} tasks, {state}")
    sys.exit(state != "success")
