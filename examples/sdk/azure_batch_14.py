"""azure-batch 14.2 alone against localbatch, in an environment of its own: `python azure_batch_14.py azure.json`."""

import json
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from azure.batch import BatchServiceClient, models
from azure.batch.batch_auth import SharedKeyCredentials
from azure.storage.blob import BlobServiceClient, generate_container_sas

ready = json.loads(Path(sys.argv[1]).read_text())
client = BatchServiceClient(SharedKeyCredentials(ready["batch_account"], ready["batch_key"]), batch_url=ready["batch_endpoint"])
blobs = BlobServiceClient.from_connection_string(ready["storage_connection_string"])
container = blobs.create_container("sdk14")
container.upload_blob("greeting.txt", "hello from a blob\n")
tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
sas = generate_container_sas(ready["storage_account"], "sdk14", ready["storage_key"], permission="rwcl", expiry=tomorrow)

image = next(image for image in client.account.list_supported_images() if image.os_type == "linux")
machine = models.VirtualMachineConfiguration(image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id)
client.pool.add(models.PoolAddParameter(
    id="sdk14", vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=2, task_slots_per_node=4))
client.job.add(models.JobAddParameter(id="sdk14", pool_info=models.PoolInformation(pool_id="sdk14")))
source = models.ResourceFile(http_url=f"{container.url}/greeting.txt?{sas}", file_path="greeting.txt")
target = models.OutputFileBlobContainerDestination(container_url=f"{container.url}?{sas}", path="out")
output = models.OutputFile(
    file_pattern="*.up", destination=models.OutputFileDestination(container=target),
    upload_options=models.OutputFileUploadOptions(upload_condition="taskSuccess"))
tasks = [models.TaskAddParameter(
    id=f"task-{n:03}", command_line=f"/bin/bash -c 'tr a-z A-Z < greeting.txt | tee {n:03}.up'", resource_files=[source],
    output_files=[output]) for n in range(250)]
print("added:", len(client.task.add_collection("sdk14", tasks).value))
while (counts := client.job.get_task_counts("sdk14").task_counts).completed < 250:
    time.sleep(0.5)
print("succeeded:", counts.succeeded, "failed:", counts.failed)
print("files:", sorted(file.name for file in client.file.list_from_task("sdk14", "task-007")))
print("stdout:", b"".join(client.file.get_from_task("sdk14", "task-007", "stdout.txt")).decode().strip())
print("outputs:", sum(1 for _ in container.list_blob_names(name_starts_with="out/")))
client.job.delete("sdk14")
client.pool.delete("sdk14")
while client.pool.exists("sdk14"):
    time.sleep(0.5)
print("pools left:", [pool.id for pool in client.pool.list()])
