"""What one writes after an afternoon: the Azure SDKs with threads, bulk calls and counts.

python benchmarks/good_script.py azure.json INPUTS RESULTS NODES SLOTS COMMAND
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient, generate_container_sas

ready = json.loads(Path(sys.argv[1]).read_text())
inputs, results, (nodes, slots), command = Path(sys.argv[2]), Path(sys.argv[3]), map(int, sys.argv[4:6]), sys.argv[6]
client = BatchClient(ready["batch_endpoint"], AzureNamedKeyCredential(ready["batch_account"], ready["batch_key"]))
service = BlobServiceClient.from_connection_string(ready["storage_connection_string"])
name = f"good-{uuid4().hex[:8]}"
container = service.create_container(name)
sas = generate_container_sas(
    ready["storage_account"], name, ready["storage_key"], permission="r", expiry=datetime.now(UTC) + timedelta(hours=2)
)
image = next(image for image in client.list_supported_images() if image.os_type == models.OSType.LINUX)
machine = models.VirtualMachineConfiguration(
    image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id
)
pool = models.BatchPoolCreateOptions(
    id=name, vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=nodes,
    task_slots_per_node=slots,
)  # fmt: skip
client.create_pool(pool)
client.create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id=name)))
results.mkdir(parents=True)
files = sorted(inputs.iterdir())


def task_of(number: int, file: Path) -> models.BatchTaskCreateOptions:
    """Uploads an input, and makes its task."""
    blob = container.upload_blob(file.name, file.read_bytes())
    line = f"/bin/bash -c '{command.replace('{input}', file.name)}'"
    source = models.ResourceFile(http_url=f"{blob.url}?{sas}", file_path=file.name)
    return models.BatchTaskCreateOptions(id=f"task{number}", command_line=line, resource_files=[source])


def fetch(task: models.BatchTask) -> bool:
    """Downloads what a task has printed; says whether it succeeded."""
    (results / f"{task.id}.txt").write_bytes(b"".join(client.download_task_file(name, task.id, "stdout.txt")))
    return task.execution_info is not None and task.execution_info.exit_code == 0


with ThreadPoolExecutor(16) as threads:
    client.create_tasks(name, list(threads.map(task_of, range(len(files)), files)))
    while client.get_job_task_counts(name).task_counts.completed < len(files):
        time.sleep(0.5)
    failed = list(threads.map(fetch, client.list_tasks(name, select=["id", "executionInfo"]))).count(False)

client.begin_delete_job(name, polling_interval=1).result()
client.begin_delete_pool(name, polling_interval=1).result()
container.delete_container()
print(f"{len(files)} tasks, {failed} failed")
