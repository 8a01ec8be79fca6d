"""Stage: a pool of VMs, made for the run or already there."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from azure.batch import BatchClient, models
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import BatchSharedKey
from prefect_azure_batch.blocks.endpoints import is_local
from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.blocks.secrets import read_secret
from prefect_azure_batch.tasks.access import StorageAccess
from prefect_azure_batch.tasks.diagnosis import (
    POOL_PROPERTIES,
    RUN_METADATA,
    complaint_about_shape,
    current_nodes,
    is_steady,
    target_nodes,
)
from prefect_azure_batch.tasks.errors import BadInput, ServiceFailure, translated
from prefect_azure_batch.tasks.formulas import check_formula, check_working_hours, pool_formula
from prefect_azure_batch.tasks.identity import identify
from prefect_azure_batch.tasks.images import image_of
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.managed_pool import create_managed_pool, is_managed
from prefect_azure_batch.tasks.pool_request import Found, pool_options
from prefect_azure_batch.tasks.records import InputItem, PoolPlan, StoredInput
from prefect_azure_batch.tasks.stage import stage
from prefect_azure_batch.tasks.upload import blob_lister, stored_input, upload_inputs
from prefect_azure_batch.tasks.vm_sizes import choose_size, supported_sizes

_logger = logging.getLogger(__name__)


def check_shape(plan: PoolPlan) -> None:
    """Refuses what no pool can be for the tasks it is made for.

    Raises:
        BadInput: says what does not fit.
    """
    asked = plan.description
    if asked.existing:
        raise BadInput(f"The pool {asked.existing!r} is said to be there already: it cannot be made.")
    if plan.required_slots > asked.slots:
        raise BadInput(f"A task needs {plan.required_slots} slots, and a node has {asked.slots}: it would never start.")
    if asked.autoscale:
        check_formula(asked.autoscale.formula or pool_formula(plan, datetime.now(UTC), None))
    if plan.instances is None:
        return
    if asked.slots > 1:
        raise BadInput(
            f"A node of a pool for MPI has 1 task slot, not {asked.slots}: Batch starts no MPI task otherwise."
        )
    if asked.size < plan.instances:
        raise BadInput(f"The pool has {asked.size} of the {plan.instances} nodes that are needed at a time.")
    if asked.container:
        raise BadInput("container: MPI programs run on the nodes themselves here: leave it out.")


def check_sign_in(account: AzureBatchAccount, asked: PoolDescription) -> None:
    """Refuses what Azure makes for nobody who signs in by a shared key; a local Azure, which has nothing else, does.

    Raises:
        BadInput: names the key of the description.
    """
    if asked.linked and isinstance(account.credential, BatchSharedKey) and not is_local(account.endpoint):
        raise BadInput(
            f"{asked.linked}: Batch links pools to resources of yours for nobody who signs in by a shared key: give "
            "the Azure Batch account block another credential."
        )


def create_pool(account: AzureBatchAccount, plan: PoolPlan, found: Found | None = None) -> str:
    """Creates a pool; it does not wait for the nodes, which take tasks as they become ready.

    A repeated call finds its own pool.

    Args:
        account: the Batch account.
        plan: the pool.
        found: what ``check_new_pool`` has just found of it; None: it is looked for here.

    Returns:
        The pool's id.

    Raises:
        BadInput: impossible sizes, no usable image, or something that Batch does not know, as a VM size.
        ServiceFailure: Batch failed the request, or the id belongs to another run.
    """
    client, now = account.get_client(), datetime.now(UTC)
    found = found or check_new_pool(account, plan)
    if found.vm_size:
        _logger.info("Pool %s: its nodes are of size %s, for %s.", plan.pool_id, found.vm_size, plan.description.needs)
    if doubt := found.image.doubt(now):
        _logger.warning("%s", doubt)
    try:
        with translated(f"create pool {plan.pool_id!r}"):
            uploaded = upload_inputs(account.storage, _start_task_inputs(account.storage, plan))
            options = pool_options(plan, replace(found, files=start_task_files(account.storage, plan, uploaded)), now)
            try:
                _create(account, plan, options)
            except ResourceExistsError as error:
                if not _is_there(error) or not _is_own(client, plan):
                    raise
    except ServiceFailure as failure:
        if failure.status == HTTPStatus.BAD_REQUEST:
            raise BadInput(str(failure)) from failure
        raise
    return plan.pool_id


def _create(account: AzureBatchAccount, plan: PoolPlan, options: models.BatchPoolCreateOptions) -> None:
    if not is_managed(plan.description):
        account.get_client().create_pool(options)
        return
    where = account.resource_group or "", account.account_name
    create_managed_pool(account.get_management_client(), *where, options, plan.description)


def _is_there(error: HttpResponseError) -> bool:
    """Whether a refusal says that there is a pool of this id: by the data plane's code, or the management plane's."""
    return error.status_code == HTTPStatus.PRECONDITION_FAILED or getattr(error.error, "code", "") == "PoolExists"


def check_new_pool(account: AzureBatchAccount, plan: PoolPlan) -> Found:
    """Makes sure that a pool can be made, as far as that can be seen before.

    Returns:
        What its description only names, but for the files of its start task.

    Raises:
        BadInput: says what cannot be.
        ServiceFailure: Batch refused or failed a request.
    """
    check_shape(plan)
    check_sign_in(account, plan.description)
    check_working_hours(plan.description, plan.time_limit, datetime.now(UTC))
    if is_managed(plan.description):
        _check_management(account, "identities" if plan.description.identities else "tags")
    try:
        secrets = {name: read_secret(name, f"by {key}") for key, name in plan.description.secrets.items()}
    except CredentialError as error:
        raise BadInput(str(error)) from None
    with translated("list the images of the Batch account"):
        image = image_of(plan.description, account.get_client().list_supported_images(), mpi=plan.inter_node)
    needs = plan.description.needs
    vm_size = choose_size(needs, _supported_sizes(account)).name if needs else ""
    return Found(image, account.storage.account_name, secrets.__getitem__, vm_size=vm_size)


def _check_management(account: AzureBatchAccount, key: str) -> None:
    try:
        account.get_management_client()
        if account.resource_group is None:
            raise CredentialError("The Azure Batch account block has no resource_group, which this needs: add it.")
    except CredentialError as error:
        raise BadInput(f"{key}: {error}") from None


def _supported_sizes(account: AzureBatchAccount) -> set[str] | None:
    """Names of the VM sizes that the account can have; None where its credential cannot ask for them."""
    if account.resource_group is None:
        return None
    try:
        client = account.get_management_client()
    except CredentialError:
        return None
    with translated("list the VM sizes of the Batch account"):
        return supported_sizes(client, account.resource_group, account.account_name)


def planned_pool(
    account: AzureBatchAccount, plan: PoolPlan, found: Found, now: datetime
) -> models.BatchPoolCreateOptions:
    """The body of the request that would create a pool; nothing is uploaded.

    Args:
        account: the Batch account.
        plan: the pool.
        found: what ``check_new_pool`` has found.
        now: the time, with its zone.

    Raises:
        BadInput: a file of the start task is not there.
        CredentialError: no link can be made for the nodes.
    """
    stored = [stored_input(item) for item in identify(_start_task_inputs(account.storage, plan))]
    return pool_options(plan, replace(found, files=start_task_files(account.storage, plan, stored)), now)


def _start_task_inputs(storage: AzureStorageCredentials, plan: PoolPlan) -> list[InputItem]:
    """The files of a pool's start task that are not links.

    Raises:
        BadInput: there is no such file.
    """
    named = plan.description.start_task.files if plan.description.start_task else ()
    patterns = [name for name in named if not name.startswith("https://")]
    try:
        return find_inputs(patterns, blob_lister(storage)) if patterns else []
    except BadInput as error:
        raise BadInput(f"start_task.files: {error}") from None


def start_task_files(
    storage: AzureStorageCredentials, plan: PoolPlan, stored: Sequence[StoredInput]
) -> list[models.ResourceFile]:
    """The files of a pool's start task: links of somebody else's, and blobs by an identity or by links that last."""
    named = plan.description.start_task.files if plan.description.start_task else ()
    links = [name for name in named if name.startswith("https://")]
    access = StorageAccess.lasting(storage, plan.description.node_identity, plan.time_limit)
    return [
        *(models.ResourceFile(http_url=link, file_path=PurePosixPath(urlsplit(link).path).name) for link in links),
        *(access.input_file(item) for item in stored),
    ]


def _is_own(client: BatchClient, plan: PoolPlan) -> bool:
    metadata = client.get_pool(plan.pool_id, select=["id,metadata"]).metadata or []
    return any(item.name == RUN_METADATA and item.value == plan.run_id for item in metadata)


def check_pool(
    account: AzureBatchAccount,
    pool_id: str,
    instances: int | None = None,
    *,
    containers: bool = False,
    identity: str | None = None,
    required_slots: int = 1,
) -> str:
    """Makes sure that an existing pool can take a job.

    Args:
        account: the Batch account.
        pool_id: the pool.
        instances: nodes that the job's multi-instance task needs; None for a job of tasks of one node each.
        containers: its tasks run in containers.
        identity: resource id of the identity by which its nodes are to reach storage; None for links.
        required_slots: of each task.

    Raises:
        BadInput: there is no such pool, it is being deleted, or it has another shape than the job needs.
        ServiceFailure: Batch refused or failed the request.
    """
    with translated(f"look up pool {pool_id!r}"):
        try:
            select = [f"{POOL_PROPERTIES[0]},virtualMachineConfiguration,identity"]
            pool = account.get_client().get_pool(pool_id, select=select)
        except ResourceNotFoundError:
            raise BadInput(f"The Batch account has no pool {pool_id!r}: leave it out to have one made.") from None
        except HttpResponseError as error:
            if error.status_code == 400:
                raise BadInput(f"{pool_id!r} is not a pool id: letters, digits, '-' and '_', at most 64.") from error
            raise
    if pool.state != "active":
        raise BadInput(f"The pool {pool_id!r} is {pool.state}: wait until it is gone, or name another.")
    machine = pool.virtual_machine_configuration
    if containers and (machine is None or machine.container_configuration is None):
        raise BadInput(
            f"container: the nodes of pool {pool_id!r} run no containers: leave it out, or name another pool."
        )
    if identity and identity.lower() not in (known := _identities(pool)):
        raise BadInput(
            f"storage_identity: the nodes of pool {pool_id!r} have no identity {identity!r}; they have: "
            f"{', '.join(known) or 'none'}."
        )
    if (slots := pool.task_slots_per_node or 1) < required_slots:
        raise BadInput(
            f"--required-slots: a task needs {required_slots} slots, and a node of pool {pool_id!r} has {slots}: ask "
            "for fewer, or name another pool."
        )
    if complaint := _complaint_of_map(pool) if instances is None else _complaint_of_instances(pool, instances):
        raise BadInput(f"The pool {pool_id!r} cannot be used: {complaint}")
    return pool_id


def _identities(pool: models.BatchPool) -> list[str]:
    """Resource ids of the identities that a pool's nodes have, in small letters."""
    given = pool.identity.user_assigned_identities if pool.identity else None
    return [each.resource_id.lower() for each in given or []]


def is_usable(
    account: AzureBatchAccount, pool_id: str, instances: int | None = None, identity: str | None = None
) -> bool:
    """Whether a pool of ours can go on with further tasks; the arguments are those of ``check_pool``.

    Raises:
        ServiceFailure: Batch refused or failed the request.
    """
    try:
        check_pool(account, pool_id, instances, identity=identity)
    except BadInput:
        return False
    return True


def _complaint_of_map(pool: models.BatchPool) -> str | None:
    if is_steady(pool) and current_nodes(pool) == target_nodes(pool) == 0 and not pool.enable_auto_scale:
        return "it has no node, and no formula that gives it one. Resize it, or leave --pool out."
    if not pool.enable_inter_node_communication:
        return None
    return (
        "it is made for MPI tasks, which need many of its nodes idle at a time and would wait for ever behind a map's "
        "tasks. Name another pool, or leave --pool out."
    )


def _complaint_of_instances(pool: models.BatchPool, instances: int) -> str | None:
    nodes = max(current_nodes(pool), target_nodes(pool))
    if nodes < instances:  # also where the pool scales itself: it does not do so for one task of many instances
        return f"it has {nodes} of the {instances} nodes that are needed at a time. Resize it" + (
            f", or have the program run on {nodes}: --nodes {nodes}, or --instances {nodes}." if nodes else "."
        )
    return complaint_about_shape(pool)


create_pool_task = stage(create_pool, name="Create pool")
check_pool_task = stage(check_pool, name="Use pool")
