"""Checks of a Batch account, by its data plane."""

from datetime import UTC, datetime

from prefect_azure_batch.tasks.check_subject import Subject
from prefect_azure_batch.tasks.checks import CheckFinding
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.images import image_of
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import DEFAULT_LEASE, Created, JobPlan, PoolPlan


def check_block(subject: Subject) -> CheckFinding:
    """Reads what the block says.

    Raises:
        BatchFlowError: it does not tell the names of the accounts.
    """
    account, storage = subject.account, subject.account.storage
    with translated("tell the names of the accounts"):
        names = f"Batch account {account.account_name} by {account.credential.kind}"
        names += f", storage account {storage.account_name} by {storage.credential.kind}"
    return CheckFinding("block", "ok", names)


def check_batch(subject: Subject) -> CheckFinding:
    """Signs in to the Batch account, and looks at its pools.

    Raises:
        BatchFlowError: that cannot be done.
    """
    account = subject.account
    with translated(f"list the pools of {account.endpoint}"):
        for _ in account.get_client().list_pools(max_results=1, select=["id"]):
            break
    return CheckFinding("batch", "ok", f"signed in to {account.endpoint}")


def check_image(subject: Subject) -> CheckFinding:
    """Looks for the image that nodes get, and how long Batch supports it.

    Raises:
        BatchFlowError: there is none.
    """
    now = datetime.now(UTC)
    with translated("list the images of the Batch account"):
        image = image_of(subject.pool, subject.account.get_client().list_supported_images(), now)
    doubt = image.doubt(now)
    return CheckFinding("image", "ok", f"{image.name}, {image.node_agent}", doubt or "")


def check_jobs(subject: Subject) -> CheckFinding:
    """Makes a job without tasks, for which Batch does not look for its pool, and deletes it.

    Raises:
        BatchFlowError: that cannot be done.
    """
    job_id = f"{subject.run_id}-job"
    create_job(subject.account, JobPlan(job_id, f"{subject.run_id}-none", subject.run_id))
    delete_created(subject.account, Created(job_id=job_id))
    return CheckFinding("jobs", "ok", "a job was made and deleted")


def check_pools(subject: Subject) -> CheckFinding:
    """Makes a pool without nodes, which costs nothing, and deletes it.

    Raises:
        BatchFlowError: that cannot be done.
    """
    pool_id = f"{subject.run_id}-pool"
    # With a lease upkeep knows when it is over, should nobody be left to delete it.
    create_pool(subject.account, PoolPlan(pool_id, subject.no_node, run_id=subject.run_id, lease=DEFAULT_LEASE))
    delete_created(subject.account, Created(pool_id=pool_id))
    size = subject.pool.needs or subject.pool.vm_size
    return CheckFinding("pools", "ok", f"a pool of {size} without nodes was made and deleted")
