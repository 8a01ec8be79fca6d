"""azure-batch 15 alone against localbatch: `python -m localbatch > azure.json &`, then `python examples/sdk/azure_batch_15.py azure.json`.

A map over 250 tasks with input from and output to blobs; and what one does with pools, nodes, jobs and tasks besides.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.batch import BatchClient, models
from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, generate_container_sas

ready = json.loads(Path(sys.argv[1]).read_text())
client = BatchClient(ready["batch_endpoint"], AzureNamedKeyCredential(ready["batch_account"], ready["batch_key"]))
blobs = BlobServiceClient.from_connection_string(ready["storage_connection_string"])
container = blobs.create_container("sdk15")
container.upload_blob("greeting.txt", "hello from a blob\n")
tomorrow = datetime.now(UTC) + timedelta(days=1)
sas = generate_container_sas(ready["storage_account"], "sdk15", ready["storage_key"], permission="rwcl", expiry=tomorrow)

# A pool of two nodes, with a start task.
image = next(image for image in client.list_supported_images() if image.os_type == models.OSType.LINUX)
machine = models.VirtualMachineConfiguration(image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id)
pool = models.BatchPoolCreateOptions(
    id="sdk15", vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=2, task_slots_per_node=4,
    start_task=models.BatchStartTask(command_line="/bin/bash -c 'echo prepared > $AZ_BATCH_NODE_SHARED_DIR/ready'", wait_for_success=True))
client.create_pool(pool)
try:
    client.create_pool(pool)
except ResourceExistsError as error:
    print("created twice:", error.error.code)
while len(nodes := list(client.list_nodes("sdk15", filter="state eq 'idle'"))) < 2:
    time.sleep(0.5)
print("nodes:", [(node.state.value, node.start_task_info.exit_code) for node in nodes])
counts = next(iter(client.list_pool_node_counts(filter="poolId eq 'sdk15'"))).dedicated
print("node counts:", counts.idle, "idle of", counts.total)
client.begin_reboot_node("sdk15", nodes[0].id, options={"nodeRebootOption": "requeue"}, polling_interval=1).result()
while client.get_node("sdk15", nodes[0].id).state != models.BatchNodeState.IDLE:
    time.sleep(0.5)

# A job, and what can be changed of it.
client.create_job(models.BatchJobCreateOptions(id="sdk15", pool_info=models.BatchPoolInfo(pool_id="sdk15"), priority=1))
client.update_job("sdk15", models.BatchJobUpdateOptions(priority=10, metadata=[models.BatchMetadataItem(name="owner", value="me")]))
job = client.get_job("sdk15")
print("job:", job.state.value, "priority", job.priority, {item.name: item.value for item in job.metadata})
job.priority = 20
client.replace_job("sdk15", job, etag=job.etag, match_condition=MatchConditions.IfNotModified)
try:
    client.replace_job("sdk15", job, etag=job.etag, match_condition=MatchConditions.IfNotModified)
except ResourceModifiedError as error:
    print("changed since:", error.status_code)

# 250 tasks at once, and one by itself that fails.
source = models.ResourceFile(http_url=f"{container.url}/greeting.txt?{sas}", file_path="greeting.txt")
target = models.OutputFileBlobContainerDestination(container_url=f"{container.url}?{sas}", path="out")
output = models.OutputFile(
    file_pattern="*.up", destination=models.OutputFileDestination(container=target),
    upload_options=models.OutputFileUploadConfiguration(upload_condition=models.OutputFileUploadCondition.TASK_SUCCESS))
tasks = [models.BatchTaskCreateOptions(
    id=f"task-{n:03}", command_line=f"/bin/bash -c 'tr a-z A-Z < greeting.txt | tee {n:03}.up'", resource_files=[source],
    output_files=[output]) for n in range(250)]
print("added:", len(client.create_tasks("sdk15", tasks).result_values))
client.create_task("sdk15", models.BatchTaskCreateOptions(id="fails", command_line="/bin/bash -c 'echo no luck >&2; exit 3'"))
while (counts := client.get_job_task_counts("sdk15").task_counts).completed < 251:
    time.sleep(0.5)
print("succeeded:", counts.succeeded, "failed:", counts.failed)
for task in client.list_tasks("sdk15", filter="executionInfo/result eq 'failure'", select=["id", "executionInfo"]):
    print("failed:", task.id, task.execution_info.exit_code, task.execution_info.failure_info.code, task.state)
client.reactivate_task("sdk15", "fails")
print("pages of 100:", [len(list(page)) for page in client.list_tasks("sdk15", select=["id"], max_results=100).by_page()])

# Files of a task and of its node, and the outputs.
print("files:", sorted(file.name for file in client.list_task_files("sdk15", "task-007")))
print("stdout:", b"".join(client.download_task_file("sdk15", "task-007", "stdout.txt")).decode().strip())
print("bytes 0 to 4:", b"".join(client.download_task_file("sdk15", "task-007", "stdout.txt", ocp_range="bytes=0-4")).decode())
print("size:", client.get_task_file_properties("sdk15", "task-007", "wd/greeting.txt").content_length)
node = client.get_task("sdk15", "task-007").node_info
print("on the node:", sorted(file.name for file in client.list_node_files(node.pool_id, node.node_id)))
print("its start task:", b"".join(client.download_node_file(node.pool_id, node.node_id, "shared/ready")).decode().strip())
print("outputs:", sum(1 for _ in container.list_blob_names(name_starts_with="out/")))
try:
    client.get_task("sdk15", "missing")
except ResourceNotFoundError as error:
    print("missing:", error.error.code)

# A schedule, which makes a job now and then; its manager is all the work of each.
manager = models.BatchJobManagerTask(id="manager", command_line="/bin/bash -c 'echo managed $AZ_BATCH_JOB_ID'")
specification = models.BatchJobSpecification(pool_info=models.BatchPoolInfo(pool_id="sdk15"), job_manager_task=manager)
hourly = models.BatchJobScheduleConfiguration(recurrence_interval=timedelta(hours=1))
client.create_job_schedule(models.BatchJobScheduleCreateOptions(id="hourly", schedule=hourly, job_specification=specification))
while [job.state for job in client.list_jobs_from_schedule("hourly")] != [models.BatchJobState.COMPLETED]:
    time.sleep(0.5)
print("scheduled:", b"".join(client.download_task_file("hourly:job-1", "manager", "stdout.txt")).decode().strip())
client.begin_delete_job_schedule("hourly", polling_interval=1).result()

# The end: a running task is terminated with its job, then everything is deleted.
client.create_task("sdk15", models.BatchTaskCreateOptions(id="sleeps", command_line="sleep 600"))
while client.get_task("sdk15", "sleeps").state != models.BatchTaskState.RUNNING:
    time.sleep(0.5)
client.begin_terminate_job("sdk15", options={"terminateReason": "enough"}, polling_interval=1).result()
info = client.get_job("sdk15").execution_info
print("job ended:", info.termination_reason, "- task:", client.get_task("sdk15", "sleeps").execution_info.failure_info.code)
try:
    client.create_task("sdk15", models.BatchTaskCreateOptions(id="late", command_line="true"))
except HttpResponseError as error:
    print("too late:", error.status_code, error.error.code)
client.begin_delete_job("sdk15", polling_interval=1).result()
client.begin_resize_pool("sdk15", models.BatchPoolResizeOptions(target_dedicated_nodes=1), polling_interval=1).result()
print("nodes left:", client.get_pool("sdk15", select=["currentDedicatedNodes"]).current_dedicated_nodes)
client.begin_delete_pool("sdk15", polling_interval=1).result()
print("pools left:", [pool.id for pool in client.list_pools()])
