"""azure-batch 15 alone against localbatch: `python -m localbatch > azure.json &`, then `python examples/sdk/azure_batch_15.py azure.json`."""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobServiceClient, generate_container_sas

ready = json.loads(Path(sys.argv[1]).read_text())
client = BatchClient(ready["batch_endpoint"], AzureNamedKeyCredential(ready["batch_account"], ready["batch_key"]))
blobs = BlobServiceClient.from_connection_string(ready["storage_connection_string"])
container = blobs.create_container("sdk15")
container.upload_blob("greeting.txt", "hello from a blob\n")
tomorrow = datetime.now(UTC) + timedelta(days=1)
sas = generate_container_sas(ready["storage_account"], "sdk15", ready["storage_key"], permission="rwcl", expiry=tomorrow)

image = next(image for image in client.list_supported_images() if image.os_type == models.OSType.LINUX)
machine = models.VirtualMachineConfiguration(image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id)
client.create_pool(models.BatchPoolCreateOptions(
    id="sdk15", vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=2, task_slots_per_node=4))
client.create_job(models.BatchJobCreateOptions(id="sdk15", pool_info=models.BatchPoolInfo(pool_id="sdk15")))
source = models.ResourceFile(http_url=f"{container.url}/greeting.txt?{sas}", file_path="greeting.txt")
target = models.OutputFileBlobContainerDestination(container_url=f"{container.url}?{sas}", path="out")
output = models.OutputFile(
    file_pattern="*.up", destination=models.OutputFileDestination(container=target),
    upload_options=models.OutputFileUploadConfiguration(upload_condition=models.OutputFileUploadCondition.TASK_SUCCESS))
tasks = [models.BatchTaskCreateOptions(
    id=f"task-{n:03}", command_line=f"/bin/bash -c 'tr a-z A-Z < greeting.txt | tee {n:03}.up'", resource_files=[source],
    output_files=[output]) for n in range(250)]
print("added:", len(client.create_tasks("sdk15", tasks).result_values or []))
while (counts := client.get_job_task_counts("sdk15").task_counts).completed < 250:
    time.sleep(0.5)
print("succeeded:", counts.succeeded, "failed:", counts.failed)
print("files:", sorted(file.name for file in client.list_task_files("sdk15", "task-007")))
print("stdout:", b"".join(client.download_task_file("sdk15", "task-007", "stdout.txt")).decode().strip())
print("outputs:", sum(1 for _ in container.list_blob_names(name_starts_with="out/")))
client.begin_delete_job("sdk15", polling_interval=1).result()
client.begin_delete_pool("sdk15", polling_interval=1).result()
print("pools left:", [pool.id for pool in client.list_pools()])
