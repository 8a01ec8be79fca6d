"""What one writes first: the Azure SDKs, one call after the other, as tutorials do.

    python benchmarks/plain_script.py azure.json INPUTS RESULTS NODES SLOTS COMMAND

The command runs once for each file of a directory; `{input}` in it is the file's name.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient, generate_blob_sas

ready = json.loads(Path(sys.argv[1]).read_text())
inputs, results, (nodes, slots), command = Path(sys.argv[2]), Path(sys.argv[3]), map(int, sys.argv[4:6]), sys.argv[6]
client = BatchClient(ready["batch_endpoint"], AzureNamedKeyCredential(ready["batch_account"], ready["batch_key"]))
service = BlobServiceClient.from_connection_string(ready["storage_connection_string"])
name = f"plain-{uuid4().hex[:8]}"
container = service.create_container(name)

links = {}
for file in sorted(inputs.iterdir()):
    blob = container.upload_blob(file.name, file.read_bytes())
    sas = generate_blob_sas(
        ready["storage_account"], name, file.name, account_key=ready["storage_key"], permission="r",
        expiry=datetime.now(UTC) + timedelta(hours=2),
    )  # fmt: skip
    links[file.name] = f"{blob.url}?{sas}"

image = next(image for image in client.list_supported_images() if image.os_type == models.OSType.LINUX)
machine = models.VirtualMachineConfiguration(
    image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id
)
client.create_pool(
    models.BatchPoolCreateOptions(
        id=name, vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=nodes,
        task_slots_per_node=slots,
    )
)  # fmt: skip
client.create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id=name)))
for number, (read, link) in enumerate(links.items()):
    line = f"/bin/bash -c '{command.replace('{input}', read)}'"
    source = models.ResourceFile(http_url=link, file_path=read)
    client.create_task(
        name, models.BatchTaskCreateOptions(id=f"task{number}", command_line=line, resource_files=[source])
    )

while any(task.state != models.BatchTaskState.COMPLETED for task in client.list_tasks(name)):
    time.sleep(1)

results.mkdir(parents=True)
failed = 0
for task in client.list_tasks(name):
    failed += not task.execution_info or task.execution_info.exit_code != 0
    (results / f"{task.id}.txt").write_bytes(b"".join(client.download_task_file(name, task.id, "stdout.txt")))

client.begin_delete_job(name, polling_interval=1).result()
client.begin_delete_pool(name, polling_interval=1).result()
container.delete_container()
print(f"{len(links)} tasks, {failed} failed")
