"""A multi-instance task by azure-batch 15 alone: `python -m localbatch > azure.json &`, then `python examples/sdk/multi_instance.py azure.json`.

Three nodes; a coordination command on each of them, mpirun on the first, the subtasks listed and a subtask's file read through its node.
"""

import json
import sys
import time
from pathlib import Path

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential

NODES = 3
ready = json.loads(Path(sys.argv[1]).read_text())
client = BatchClient(ready["batch_endpoint"], AzureNamedKeyCredential(ready["batch_account"], ready["batch_key"]))

image = next(image for image in client.list_supported_images() if image.os_type == models.OSType.LINUX)
machine = models.VirtualMachineConfiguration(image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id)
client.create_pool(models.BatchPoolCreateOptions(
    id="mpi", vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=NODES,
    enable_inter_node_communication=True, task_slots_per_node=1))
client.create_job(models.BatchJobCreateOptions(id="mpi", pool_info=models.BatchPoolInfo(pool_id="mpi")))
client.create_task("mpi", models.BatchTaskCreateOptions(
    id="task",
    command_line="/bin/bash -c 'mpirun -np 3 -ppn 1 -hosts $AZ_BATCH_HOST_LIST -wdir $AZ_BATCH_TASK_SHARED_DIR "
                 "bash -c \"echo rank \\$PMI_RANK of \\$PMI_SIZE on \\$(hostname)\"'",
    multi_instance_settings=models.MultiInstanceSettings(
        number_of_instances=NODES,
        coordination_command_line="/bin/bash -c 'echo coordination on $(hostname)'")))
while client.get_task("mpi", "task").state != models.BatchTaskState.COMPLETED:
    time.sleep(0.5)
task = client.get_task("mpi", "task")
print("exit code:", task.execution_info.exit_code)
print(b"".join(client.download_task_file("mpi", "task", "stdout.txt")).decode(), end="")
for subtask in client.list_subtasks("mpi", "task"):
    node = subtask.node_info
    print(f"subtask {subtask.id}: {subtask.state.value}, exit code {subtask.exit_code}, {node.task_root_directory} on {node.node_id[:14]}...")
    said = client.download_node_file(node.pool_id, node.node_id, f"{node.task_root_directory}/stdout.txt")
    print("   its stdout, through the node:", b"".join(said).decode().strip())
client.begin_delete_job("mpi", polling_interval=1).result()
client.begin_delete_pool("mpi", polling_interval=1).result()
print("pools left:", [pool.id for pool in client.list_pools()])
