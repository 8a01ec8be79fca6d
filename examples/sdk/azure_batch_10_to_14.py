"""azure-batch 10 to 14.2 alone against localbatch, in an environment of its own: `python -m localbatch > azure.json &`, then `python azure_batch_10_to_14.py azure.json`.

The older SDK, with other names for almost everything and older versions of the protocol. Needs one of azure-batch 10 to 14.2 and azure-storage-blob.
"""

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


def refused(call, *arguments):
    """Makes a call that the service refuses, and returns the code."""
    try:
        call(*arguments)
    except models.BatchErrorException as error:
        return f"{error.response.status_code} {error.error.code}"
    return "not refused"


# A pool of two nodes, with a start task.
image = next(image for image in client.account.list_supported_images() if image.os_type == "linux")
machine = models.VirtualMachineConfiguration(image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id)
pool = models.PoolAddParameter(
    id="sdk14", vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=2, task_slots_per_node=4,
    start_task=models.StartTask(command_line="/bin/bash -c 'echo prepared > $AZ_BATCH_NODE_SHARED_DIR/ready'", wait_for_success=True))
client.pool.add(pool)
print("created twice:", refused(client.pool.add, pool))
idle = models.ComputeNodeListOptions(filter="state eq 'idle'")
while len(nodes := list(client.compute_node.list("sdk14", idle))) < 2:
    time.sleep(0.5)
print("nodes:", [(node.state.value, node.start_task_info.exit_code) for node in nodes])
counts = next(iter(client.account.list_pool_node_counts())).dedicated
print("node counts:", counts.idle, "idle of", counts.total)
client.pool.patch("sdk14", models.PoolPatchParameter(metadata=[models.MetadataItem(name="owner", value="me")]))
print("pool:", client.pool.get("sdk14", models.PoolGetOptions(select="id,metadata")).metadata[0].value)

# A job, and what can be changed of it.
client.job.add(models.JobAddParameter(id="sdk14", pool_info=models.PoolInformation(pool_id="sdk14")))
client.job.patch("sdk14", models.JobPatchParameter(priority=10))
job = client.job.get("sdk14")
print("job:", job.state.value, "priority", job.priority)
client.job.patch("sdk14", models.JobPatchParameter(priority=20), models.JobPatchOptions(if_match=job.e_tag))
print("changed since:", refused(client.job.patch, "sdk14", models.JobPatchParameter(priority=30), models.JobPatchOptions(if_match=job.e_tag)))

# 250 tasks at once, and one by itself that fails.
source = models.ResourceFile(http_url=f"{container.url}/greeting.txt?{sas}", file_path="greeting.txt")
target = models.OutputFileBlobContainerDestination(container_url=f"{container.url}?{sas}", path="out")
output = models.OutputFile(
    file_pattern="*.up", destination=models.OutputFileDestination(container=target),
    upload_options=models.OutputFileUploadOptions(upload_condition="taskSuccess"))
tasks = [models.TaskAddParameter(
    id=f"task-{n:03}", command_line=f"/bin/bash -c 'tr a-z A-Z < greeting.txt | tee {n:03}.up'", resource_files=[source],
    output_files=[output]) for n in range(250)]
print("added:", len(client.task.add_collection("sdk14", tasks).value))
client.task.add("sdk14", models.TaskAddParameter(id="fails", command_line="/bin/bash -c 'echo no luck >&2; exit 3'"))
while (counts := client.job.get_task_counts("sdk14").task_counts).completed < 251:
    time.sleep(0.5)
print("succeeded:", counts.succeeded, "failed:", counts.failed)
failed = models.TaskListOptions(filter="executionInfo/result eq 'failure'", select="id,executionInfo")
for task in client.task.list("sdk14", failed):
    print("failed:", task.id, task.execution_info.exit_code, task.execution_info.failure_info.code)
client.task.reactivate("sdk14", "fails")
print("listed by pages of 100:", sum(1 for _ in client.task.list("sdk14", models.TaskListOptions(max_results=100))))

# Files of a task and of its node, and the outputs.
print("files:", sorted(file.name for file in client.file.list_from_task("sdk14", "task-007")))
print("stdout:", b"".join(client.file.get_from_task("sdk14", "task-007", "stdout.txt")).decode().strip())
part = models.FileGetFromTaskOptions(ocp_range="bytes=0-4")
print("bytes 0 to 4:", b"".join(client.file.get_from_task("sdk14", "task-007", "stdout.txt", part)).decode())
size = client.file.get_properties_from_task("sdk14", "task-007", "wd/greeting.txt", raw=True).headers["Content-Length"]
print("size:", size)
node = client.task.get("sdk14", "task-007").node_info
print("on the node:", sorted(file.name for file in client.file.list_from_compute_node(node.pool_id, node.node_id)))
print("its start task:", b"".join(client.file.get_from_compute_node(node.pool_id, node.node_id, "shared/ready")).decode().strip())
print("outputs:", sum(1 for _ in container.list_blob_names(name_starts_with="out/")))
print("missing:", refused(client.task.get, "sdk14", "missing"))

# The end: a running task is terminated with its job, then everything is deleted.
client.task.add("sdk14", models.TaskAddParameter(id="sleeps", command_line="sleep 600"))
while client.task.get("sdk14", "sleeps").state != models.TaskState.running:
    time.sleep(0.5)
client.job.terminate("sdk14", terminate_reason="enough")
while (job := client.job.get("sdk14")).state != models.JobState.completed:
    time.sleep(0.5)
failure = client.task.get("sdk14", "sleeps").execution_info.failure_info
print("job ended:", job.execution_info.terminate_reason, "- task:", failure.code)
print("too late:", refused(client.task.add, "sdk14", models.TaskAddParameter(id="late", command_line="true")))
client.job.delete("sdk14")
client.pool.resize("sdk14", models.PoolResizeParameter(target_dedicated_nodes=1))
while (pool := client.pool.get("sdk14")).allocation_state != models.AllocationState.steady:
    time.sleep(0.5)
print("nodes left:", pool.current_dedicated_nodes)
client.pool.delete("sdk14")
while client.pool.exists("sdk14"):
    time.sleep(0.5)
print("pools left:", [pool.id for pool in client.pool.list()])
