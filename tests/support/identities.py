"""A pool of a local Azure whose nodes have an identity, which only the management plane can give them."""

from datetime import UTC, datetime

from azure.mgmt.batch import BatchManagementClient

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.images import image_of
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.managed_pool import create_managed_pool
from prefect_azure_batch.tasks.pool import start_task_files
from prefect_azure_batch.tasks.pool_request import Found, pool_options
from prefect_azure_batch.tasks.records import PoolPlan
from prefect_azure_batch.tasks.upload import blob_lister, upload_inputs

IDENTITY, OTHER = (
    f"/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    for name in ("Nodes", "other")
)


def make_identity_pool(azure: LocalAzure, account: AzureBatchAccount, plan: PoolPlan) -> str:
    """Makes a pool as its plan says, and returns its id.

    The account's block cannot do so: it would have to sign in to Azure Resource Manager, which is not on this machine.
    """
    image = image_of(plan.description, account.get_client().list_supported_images(), mpi=plan.inter_node)
    patterns = plan.description.start_task.files if plan.description.start_task else ()
    stored = upload_inputs(account.storage, find_inputs(patterns, blob_lister(account.storage))) if patterns else []
    files = start_task_files(account.storage, plan, stored)
    found = Found(image, account.storage.account_name, lambda name: name, files)
    options = pool_options(plan, found, datetime.now(UTC))
    endpoint = azure.endpoints.batch_endpoint
    with BatchManagementClient(azure.management_credential(), "local", base_url=endpoint) as client:
        where = ("local", azure.endpoints.batch_account)
        create_managed_pool(client, *where, options, plan.description, enforce_https=False)
    return plan.pool_id
