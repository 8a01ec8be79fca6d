"""A pool with a job on a local Azure, for programs that measure what becomes of the job's tasks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.pipeline.policies import SansIOHTTPPolicy

from localbatch.wire.connection import Endpoints


def batch_client(endpoints: Endpoints, policies: Sequence[SansIOHTTPPolicy] = ()) -> BatchClient:  # type: ignore[type-arg]
    """A client for Batch, with policies of one's own for each call."""
    credential = AzureNamedKeyCredential(endpoints.batch_account, endpoints.batch_key)
    return BatchClient(endpoints.batch_endpoint, credential, per_call_policies=list(policies))


@contextmanager
def job_on_pool(client: BatchClient, name: str, nodes: int, slots: int) -> Iterator[str]:
    """A pool with a job, both of that name, which are deleted in the end; without nodes its tasks wait."""
    image = next(image for image in client.list_supported_images() if image.os_type == models.OSType.LINUX)
    machine = models.VirtualMachineConfiguration(
        image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id
    )
    pool = models.BatchPoolCreateOptions(
        id=name, vm_size="standard_d2s_v3", virtual_machine_configuration=machine, target_dedicated_nodes=nodes,
        task_slots_per_node=slots,
    )  # fmt: skip
    client.create_pool(pool)
    try:
        client.create_job(models.BatchJobCreateOptions(id=name, pool_info=models.BatchPoolInfo(pool_id=name)))
        try:
            yield name
        finally:
            client.begin_delete_job(name, polling_interval=1).result()
    finally:
        client.begin_delete_pool(name, polling_interval=1).result()
