"""azure-batch 15 with asyncio: `python -m localbatch > azure.json &`, then `python examples/sdk/azure_batch_15_async.py azure.json`.

Needs aiohttp beside azure-batch. Two jobs on one pool run and are waited for at the same time.
"""

import asyncio
import json
import sys
from pathlib import Path

from azure.batch import models
from azure.batch.aio import BatchClient
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

POOL = "sdk15-async"


async def make_pool(client: BatchClient) -> None:
    """Creates a pool of two nodes and waits for them."""
    image = [image async for image in client.list_supported_images(filter="osType eq 'linux'")][0]
    machine = models.VirtualMachineConfiguration(image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id)
    pool = models.BatchPoolCreateOptions(
        id=POOL, vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=2, task_slots_per_node=4)
    await client.create_pool(pool)
    try:
        await client.create_pool(pool)
    except ResourceExistsError as error:
        print("created twice:", error.error.code)
    while len(nodes := [node async for node in client.list_nodes(POOL, filter="state eq 'idle'")]) < 2:
        await asyncio.sleep(0.5)
    counts = [counts async for counts in client.list_pool_node_counts(filter=f"poolId eq '{POOL}'")][0]
    print("nodes:", [node.ip_address for node in nodes], "idle:", counts.dedicated.idle)
    await client.update_pool(POOL, models.BatchPoolUpdateOptions(metadata=[models.BatchMetadataItem(name="owner", value="me")]))
    print("pool:", (await client.get_pool(POOL, select=["id", "metadata"])).as_dict())


async def run_job(client: BatchClient, job_id: str, count: int) -> None:
    """Runs tasks in a job, of which the last fails, and shows what became of them."""
    await client.create_job(models.BatchJobCreateOptions(id=job_id, pool_info=models.BatchPoolInfo(pool_id=POOL)))
    await client.update_job(job_id, models.BatchJobUpdateOptions(priority=5))
    commands = [f"/bin/bash -c 'echo task {n} of $AZ_BATCH_JOB_ID; exit {n // (count - 1)}'" for n in range(count)]
    tasks = [models.BatchTaskCreateOptions(id=f"task-{n:03}", command_line=command) for n, command in enumerate(commands)]
    added = await client.create_tasks(job_id, tasks, max_concurrency=4)
    while (counts := (await client.get_job_task_counts(job_id)).task_counts).completed < count:
        await asyncio.sleep(0.2)
    print(f"{job_id}: added {len(added.result_values)}, succeeded {counts.succeeded}, failed {counts.failed}")
    async for task in client.list_tasks(job_id, filter="executionInfo/exitCode ne 0", select=["id", "executionInfo", "nodeInfo"]):
        print(f"{job_id}: {task.id} failed with", task.execution_info.exit_code, task.execution_info.failure_info.code)
    print(f"{job_id}: files", sorted([file.name async for file in client.list_task_files(job_id, "task-000", recursive=True)]))
    stdout = await client.download_task_file(job_id, "task-000", "stdout.txt")
    print(f"{job_id}: stdout", b"".join([part async for part in stdout]).decode().strip())
    said = await client.download_node_file(POOL, task.node_info.node_id, f"{task.node_info.task_root_directory}/stdout.txt")
    print(f"{job_id}: through the node", b"".join([part async for part in said]).decode().strip())
    size = (await client.get_task_file_properties(job_id, "task-000", "stdout.txt")).content_length
    print(f"{job_id}: size of stdout", size)


async def end_job(client: BatchClient, job_id: str) -> None:
    """Terminates and deletes a job."""
    try:
        await client.get_task(job_id, "missing")
    except ResourceNotFoundError as error:
        print(f"{job_id}: missing", error.error.code)
    await client.delete_task(job_id, "task-001")
    await (await client.begin_terminate_job(job_id, options={"terminateReason": "enough"}, polling_interval=1)).result()
    job = await client.get_job(job_id)
    print(f"{job_id}:", job.state.value, job.execution_info.termination_reason)
    await (await client.begin_delete_job(job_id, polling_interval=1)).result()


async def main() -> None:
    """The whole session."""
    ready = json.loads(Path(sys.argv[1]).read_text())
    credential = AzureNamedKeyCredential(ready["batch_account"], ready["batch_key"])
    async with BatchClient(ready["batch_endpoint"], credential) as client:
        await make_pool(client)
        await asyncio.gather(run_job(client, "first", 50), run_job(client, "second", 30))
        print("jobs:", sorted([job.id async for job in client.list_jobs(filter="startswith(id, 'first') or state eq 'active'")]))
        await asyncio.gather(end_job(client, "first"), end_job(client, "second"))
        await (await client.begin_delete_pool(POOL, polling_interval=1)).result()
        print("pools left:", [pool.id async for pool in client.list_pools()])


if __name__ == "__main__":
    asyncio.run(main())
