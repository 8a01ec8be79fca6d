"""A pool as the service is asked for it: nothing that a description says is dropped."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.batch import models

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.blocks.pool_parts import Needs
from prefect_azure_batch.tasks.images import ChosenImage
from prefect_azure_batch.tasks.pool_request import Found, pool_options
from prefect_azure_batch.tasks.records import PoolPlan
from tests.conformity.schema import violations

NOW = datetime(2026, 1, 1, tzinfo=UTC)
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
SUBNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"
ADDRESS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/a"
IMAGE = ChosenImage(models.BatchVmImageReference(publisher="p", offer="o", sku="s", version="latest"), "agent")


def body(content: dict[str, Any], **plan: Any) -> dict[str, Any]:
    """What is sent for a description."""
    found = Found(IMAGE, "ours", lambda name: f"secret of {name}", [models.ResourceFile(http_url="l", file_path="f")])
    asked = PoolDescription.model_validate(content)
    return pool_options(PoolPlan("p", asked, run_id="r", **plan), found, NOW).as_dict()


MOUNTED = "mountConfiguration"
MACHINE = "virtualMachineConfiguration"
CASES: list[tuple[dict[str, Any], list[str | int], Any]] = [
    ({"nodes": 3}, ["targetDedicatedNodes"], 3),
    ({"spot_nodes": 3}, ["targetLowPriorityNodes"], 3),
    ({"spot_nodes": 3}, ["targetDedicatedNodes"], 0),
    ({"vm_size": "standard_d4s_v3"}, ["vmSize"], "standard_d4s_v3"),
    ({"slots": 4}, ["taskSlotsPerNode"], 4),
    ({"fill": "pack"}, ["taskSchedulingPolicy"], {"nodeFillType": "pack"}),
    ({"metadata": {"owner": "x"}}, ["metadata", 0], {"name": "owner", "value": "x"}),
    ({"packages": ["a:1"]}, ["applicationPackageReferences", 0], {"applicationId": "a", "version": "1"}),
    ({"start_task": {"command": "make all"}}, ["startTask", "commandLine"], "/bin/bash -c 'make all'"),
    ({"start_task": {"command": "x", "retries": 2}}, ["startTask", "maxTaskRetryCount"], 2),
    ({"start_task": {"command": "x", "wait": False}}, ["startTask", "waitForSuccess"], False),
    ({"start_task": {"command": "x", "files": ["a"]}}, ["startTask", "resourceFiles", 0, "filePath"], "f"),
    (
        {"start_task": {"command": "x", "elevated": True}},
        ["startTask", "userIdentity", "autoUser"],
        {"scope": "pool", "elevationLevel": "admin"},
    ),
    (
        {"start_task": {"command": "x"}, "environment": {"A": "b"}},
        ["startTask", "environmentSettings"],
        [{"name": "A", "value": "b"}],
    ),
    (
        {"container": {"image": "i", "prefetch": ["j"]}},
        [MACHINE, "containerConfiguration"],
        {"type": "dockerCompatible", "containerImageNames": ["i", "j"]},
    ),
    (
        {
            "identities": [IDENTITY],
            "container": {
                "image": "i",
                "registries": [
                    {"server": "r", "username": "u", "password_secret": "pw"},
                    {"server": "r", "identity": IDENTITY},
                ],
            },
        },
        [MACHINE, "containerConfiguration", "containerRegistries"],
        [
            {"registryServer": "r", "username": "u", "password": "secret of pw"},
            {"registryServer": "r", "identityReference": {"resourceId": IDENTITY}},
        ],
    ),
    ({"network": {"subnet": SUBNET}}, ["networkConfiguration", "subnetId"], SUBNET),
    (
        {"network": {"subnet": SUBNET, "public_ip": False}},
        ["networkConfiguration", "publicIPAddressConfiguration"],
        {"provision": "nopublicipaddresses"},
    ),
    (
        {"network": {"public_ips": [ADDRESS]}},
        ["networkConfiguration", "publicIPAddressConfiguration"],
        {"provision": "usermanaged", "ipAddressIds": [ADDRESS]},
    ),
    ({"network": {"accelerated": True}}, ["networkConfiguration", "enableAcceleratedNetworking"], True),
    (
        {"mounts": [{"kind": "blob", "container": "c", "path": "x", "key_secret": "k", "options": "-o ro"}]},
        [MOUNTED, 0, "azureBlobFileSystemConfiguration"],
        {
            "accountName": "ours",
            "containerName": "c",
            "accountKey": "secret of k",
            "blobfuseOptions": "-o ro",
            "relativeMountPath": "x",
        },
    ),
    (
        {
            "identities": [IDENTITY],
            "mounts": [{"kind": "blob", "account": "b", "container": "c", "path": "x", "identity": IDENTITY}],
        },
        [MOUNTED, 0, "azureBlobFileSystemConfiguration"],
        {
            "accountName": "b",
            "containerName": "c",
            "identityReference": {"resourceId": IDENTITY},
            "relativeMountPath": "x",
        },
    ),
    (
        {"mounts": [{"kind": "nfs", "source": "h:/e", "path": "x", "options": "-o ro"}]},
        [MOUNTED, 0, "nfsMountConfiguration"],
        {"source": "h:/e", "relativeMountPath": "x", "mountOptions": "-o ro"},
    ),
    (
        {"mounts": [{"kind": "files", "url": "https://a.file.core.windows.net/s", "path": "x", "key_secret": "k"}]},
        [MOUNTED, 0, "azureFileShareConfiguration"],
        {
            "accountName": "a",
            "azureFileUrl": "https://a.file.core.windows.net/s",
            "accountKey": "secret of k",
            "relativeMountPath": "x",
        },
    ),
    ({"disks": {"encrypt": ["osdisk"]}}, [MACHINE, "diskEncryptionConfiguration", "targets"], ["osdisk"]),
    ({"disks": {"encrypt_at_host": True}}, [MACHINE, "securityProfile", "encryptionAtHost"], True),
    ({"disks": {"ephemeral_os": True}}, [MACHINE, "osDisk", "ephemeralOSDiskSettings", "placement"], "cachedisk"),
    (
        {"disks": {"data": [{"size_gib": 100, "caching": "readonly", "storage": "premium_lrs"}]}},
        [MACHINE, "dataDisks", 0],
        {"lun": 0, "diskSizeGB": 100, "caching": "readonly", "managedDisk": {"storageAccountType": "premium_lrs"}},
    ),
    (
        {"users": [{"name": "u", "password_secret": "k", "elevated": True}]},
        ["userAccounts", 0],
        {"name": "u", "password": "secret of k", "elevationLevel": "admin"},
    ),
]


@pytest.mark.parametrize(("content", "path", "expected"), CASES, ids=lambda value: str(value)[:60])
def test_what_a_description_says_is_sent(content: dict[str, Any], path: list[str | int], expected: Any) -> None:
    sent: Any = body(content)
    assert violations(sent, "BatchPoolCreateOptions", strict=False) == []
    for part in path:
        sent = sent[part]
    assert sent == expected


def test_every_key_is_among_the_cases() -> None:
    said = {key for content, _, _ in CASES for key in content}
    elsewhere = {
        *("existing", "image", "node_agent", "autoscale"),  # chosen before, or in the formula
        *("identities", "tags"),  # of the management plane
        "storage_identity",  # in the files of the start task and of tasks
        "needs",  # a size is found for them
    }
    assert said | elsewhere == set(PoolDescription.model_fields)


def test_a_leased_pool_of_one_size_says_so_and_one_that_follows_its_tasks_does_not() -> None:
    lease = timedelta(minutes=30)
    contents: list[dict[str, Any]] = [{}, {"autoscale": {}}]
    names = [{item["name"] for item in body(content, lease=lease)["metadata"]} for content in contents]
    assert names == [{"prefect-azure-batch-run", "prefect-azure-batch-lease"}, {"prefect-azure-batch-run"}]


def test_a_size_that_was_found_is_the_one_that_is_sent() -> None:
    found = Found(IMAGE, "ours", str, vm_size="standard_d8s_v5")
    plan = PoolPlan("p", PoolDescription(needs=Needs(cpus=8)))
    assert pool_options(plan, found, NOW).vm_size == "standard_d8s_v5"


def test_no_text_of_what_was_found_shows_a_secret() -> None:
    assert "secret" not in repr(Found(IMAGE, "ours", lambda name: f"secret of {name}"))
