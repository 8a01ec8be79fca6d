"""A pool made through Azure Resource Manager, which alone can give its nodes identities, and the pool tags.

What is asked for is the request of the data plane, said in the management plane's words. Source: the models of
``azure.batch`` and ``azure.mgmt.batch``, both for API version 2025-06-01.
"""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from azure.batch.models import BatchPoolCreateOptions
from azure.core import MatchConditions

from prefect_azure_batch.blocks.pool_description import PoolDescription

if TYPE_CHECKING:
    from azure.mgmt.batch import BatchManagementClient, models

_SAME = (
    *("vmSize", "taskSlotsPerNode", "taskSchedulingPolicy", "startTask", "networkConfiguration"),
    *("mountConfiguration", "userAccounts", "metadata"),
)
_NAMES = {"nodeAgentSKUId": "nodeAgentSkuId", "virtualMachineImageId": "id"}
_ENUMERATED = {
    *("scope", "caching", "nodeFillType", "type", "placement", "targets", "elevationLevel", "provision"),
    "storageAccountType",
}
# What these hold is the user's own.
_UNTOUCHED = {"metadata", "environmentSettings"}


@cache
def _values() -> Mapping[str, str]:
    """Enumerated values as the management plane writes them, by their small letters."""
    from azure.mgmt.batch import models

    enums = (
        *(models.AutoUserScope, models.CachingType, models.ComputeNodeFillType, models.ContainerType),
        *(models.DiffDiskPlacement, models.DiskEncryptionTarget, models.ElevationLevel),
        *(models.IPAddressProvisioningType, models.StorageAccountType),
    )
    return {str(member.value).lower(): str(member.value) for enum in enums for member in enum}


def is_managed(asked: PoolDescription) -> bool:
    """Whether such a pool can only be made through Azure Resource Manager."""
    return bool(asked.identities or asked.tags)


def create_managed_pool(
    client: "BatchManagementClient",
    resource_group: str,
    account_name: str,
    options: BatchPoolCreateOptions,
    asked: PoolDescription,
    **request_options: Any,
) -> None:
    """Creates a pool, unless it is there.

    Args:
        client: management client for the account's subscription.
        resource_group: resource group of the Batch account.
        account_name: name of the Batch account.
        options: the pool as the data plane would be asked for it.
        asked: its identities and tags.
        request_options: options of azure-core for the request, such as ``enforce_https=False`` for an endpoint without
            TLS.

    Raises:
        AzureError: Azure refused or failed the request; ``ResourceExistsError`` if there is a pool of that id.
    """
    client.pool.create(
        resource_group,
        account_name,
        options.id,
        managed_pool(options, asked),
        match_condition=MatchConditions.IfMissing,
        **request_options,
    )


def managed_pool(options: BatchPoolCreateOptions, asked: PoolDescription) -> "models.Pool":
    """The body of that request."""
    from azure.mgmt.batch import models

    given = options.as_dict()
    properties: dict[str, Any] = {name: _translated(name, given[name]) for name in _SAME if name in given}
    machine = _translated("", given["virtualMachineConfiguration"])
    properties["deploymentConfiguration"] = {"virtualMachineConfiguration": machine}
    properties["scaleSettings"] = _scale(given)
    properties["interNodeCommunication"] = "Enabled" if given.get("enableInterNodeCommunication") else "Disabled"
    properties["applicationPackages"] = [
        {"id": reference["applicationId"], **{name: reference[name] for name in ("version",) if name in reference}}
        for reference in given.get("applicationPackageReferences", [])
    ]
    body: dict[str, Any] = {"properties": properties}
    if asked.identities:
        body["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {name: {} for name in asked.identities}}
    if asked.tags:
        body["tags"] = asked.tags
    return models.Pool(body)


def _scale(given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("enableAutoScale"):
        interval = given["autoScaleEvaluationInterval"]
        return {"autoScale": {"formula": given["autoScaleFormula"], "evaluationInterval": interval}}
    names = ("targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout")
    return {"fixedScale": {name: given[name] for name in names if name in given}}


def _translated(name: str, value: Any) -> Any:
    """A value of the data plane, with the names and enumerated values that the management plane has for it."""
    if name in _UNTOUCHED:
        return value
    if isinstance(value, Mapping):
        return {_NAMES.get(key, key): _translated(key, each) for key, each in value.items()}
    if isinstance(value, list):
        return [_translated(name, each) for each in value]
    return _values().get(value.lower(), value) if name in _ENUMERATED and isinstance(value, str) else value
