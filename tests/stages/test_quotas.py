"""Quotas, cores of sizes and what is taken of them, as the management plane tells them."""

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential

from localbatch.launcher import LocalAzure
from prefect_azure_batch.tasks.quotas import Cores, read_account
from tests.support.management import GROUP, make_client
from tests.support.processes import wait_until


def test_an_account_tells_what_it_may_have_and_has() -> None:
    limits = {"dedicated-core": 12, "low-priority-core": 8, "pool": 5, "job": 7}
    options = tuple(f"--{name}-quota={number}" for name, number in limits.items())
    with LocalAzure(storage=False, driver="simulated", options=options, attach=False) as azure:
        found = azure.endpoints
        credential = AzureNamedKeyCredential(found.batch_account, found.batch_key)
        with BatchClient(found.batch_endpoint, credential) as batch, make_client(found) as management:
            machine = models.VirtualMachineConfiguration(
                image_reference=models.BatchVmImageReference(
                    publisher="canonical", offer="ubuntu-24_04-lts", sku="server"
                ),
                node_agent_sku_id="batch.node.ubuntu 24.04",
            )
            batch.create_pool(
                models.BatchPoolCreateOptions(
                    id="taken",
                    vm_size="Standard_D2s_v3",
                    virtual_machine_configuration=machine,
                    target_dedicated_nodes=2,
                    target_low_priority_nodes=1,
                )
            )
            wait_until(lambda: batch.get_pool("taken").allocation_state == "steady", 30)
            batch.create_job(models.BatchJobCreateOptions(id="j", pool_info=models.BatchPoolInfo(pool_id="taken")))
            has = read_account(management, batch, GROUP, found.batch_account)
    quotas, used, size = has.quotas, has.used, has.sizes["standard_d2s_v3"]
    assert (quotas.dedicated_cores, quotas.spot_cores, quotas.pools, quotas.jobs) == (12, 8, 5, 7)
    assert (used.pools, used.jobs, dict(used.cores)) == (1, 1, {size.family: Cores(4, 2)})
    assert size.cores == 2
