"""A pool as the Batch service is asked for it: each key of its description where the service wants it. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from azure.batch import models

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.blocks.pool_parts import (
    BlobMount,
    Disks,
    FilesMount,
    Mount,
    Network,
    NfsMount,
    NodeUser,
    Registry,
    StartTask,
)
from prefect_azure_batch.tasks.command import shell_command
from prefect_azure_batch.tasks.diagnosis import LEASE_METADATA, RUN_METADATA
from prefect_azure_batch.tasks.elevation import pool_user
from prefect_azure_batch.tasks.formulas import EVALUATION_INTERVAL, pool_formula
from prefect_azure_batch.tasks.images import ChosenImage
from prefect_azure_batch.tasks.records import PoolPlan

_RESIZE_TIMEOUT = timedelta(minutes=15)


@dataclass(frozen=True)
class Found:
    """What a description only names, found in the account and in Prefect.

    Attributes:
        image: of the nodes.
        storage_account: name of the storage account of the run.
        secret: what a Prefect Secret block of this name holds.
        files: of the start task.
        vm_size: one that has what is needed; empty if it was named.
    """

    image: ChosenImage
    storage_account: str
    secret: Callable[[str], str] = field(repr=False)
    files: Sequence[models.ResourceFile] = field(default=(), repr=False)
    vm_size: str = ""


def pool_options(plan: PoolPlan, found: Found, now: datetime) -> models.BatchPoolCreateOptions:
    """The body of the request that creates a pool.

    Args:
        plan: the pool.
        found: what its description only names.
        now: the time, with its zone.
    """
    asked = plan.description
    return models.BatchPoolCreateOptions(
        id=plan.pool_id,
        vm_size=found.vm_size or asked.vm_size,
        virtual_machine_configuration=_machine(asked, found),
        **_size_options(plan, now),
        task_slots_per_node=asked.slots,
        task_scheduling_policy=_scheduling(asked),
        enable_inter_node_communication=plan.inter_node,
        start_task=_start_task(asked.start_task, asked.environment, found.files) if asked.start_task else None,
        application_package_references=_packages(plan),
        network_configuration=_network(asked.network) if asked.network else None,
        mount_configuration=[_mount(mount, found) for mount in asked.mounts] or None,
        user_accounts=[_user(user, found) for user in asked.users] or None,
        metadata=[models.BatchMetadataItem(name=name, value=value) for name, value in _metadata(plan).items()],
    )


def _metadata(plan: PoolPlan) -> dict[str, str]:
    own = {RUN_METADATA: plan.run_id}
    if plan.lease is not None and plan.description.autoscale is None:
        own[LEASE_METADATA] = f"{plan.lease.total_seconds():.0f}"
    return plan.description.metadata | own


def _size_options(plan: PoolPlan, now: datetime) -> dict[str, Any]:
    if plan.lease is not None or plan.description.autoscale is not None:
        return {
            "enable_auto_scale": True,
            "auto_scale_formula": pool_formula(plan, now, now + plan.lease if plan.lease else None),
            "auto_scale_evaluation_interval": EVALUATION_INTERVAL,
        }
    return {
        "resize_timeout": _RESIZE_TIMEOUT,
        "target_dedicated_nodes": plan.description.dedicated_nodes,
        "target_low_priority_nodes": plan.description.spot_nodes,
    }


def _scheduling(asked: PoolDescription) -> models.BatchTaskSchedulingPolicy | None:
    return models.BatchTaskSchedulingPolicy(node_fill_type="pack") if asked.fill == "pack" else None


def _packages(plan: PoolPlan) -> list[models.BatchApplicationPackageReference]:
    named = [tuple(package.partition(":")[::2]) for package in plan.description.packages]
    return [
        models.BatchApplicationPackageReference(application_id=application_id, version=version or None)
        for application_id, version in dict.fromkeys([*named, *plan.packages])
    ]


def _machine(asked: PoolDescription, found: Found) -> models.VirtualMachineConfiguration:
    return models.VirtualMachineConfiguration(
        image_reference=found.image.reference,
        node_agent_sku_id=found.image.node_agent,
        container_configuration=_containers(asked, found),
        **(_disk_options(asked.disks) if asked.disks else {}),
    )


def _containers(asked: PoolDescription, found: Found) -> models.BatchContainerConfiguration | None:
    if asked.container is None:
        return None
    return models.BatchContainerConfiguration(
        type=models.ContainerType.DOCKER_COMPATIBLE,
        container_image_names=[asked.container.image, *asked.container.prefetch],
        container_registries=[_registry(registry, found) for registry in asked.container.registries] or None,
    )


def _registry(registry: Registry, found: Found) -> models.ContainerRegistryReference:
    return models.ContainerRegistryReference(
        registry_server=registry.server,
        username=registry.username,
        password=found.secret(registry.password_secret) if registry.password_secret else None,
        identity_reference=_identity(registry.identity),
    )


def _identity(resource_id: str | None) -> models.BatchNodeIdentityReference | None:
    return models.BatchNodeIdentityReference(resource_id=resource_id) if resource_id else None


def _disk_options(disks: Disks) -> dict[str, Any]:
    return {
        "disk_encryption_configuration": (
            models.DiskEncryptionConfiguration(targets=list(disks.encrypt)) if disks.encrypt else None
        ),
        "security_profile": models.SecurityProfile(encryption_at_host=True) if disks.encrypt_at_host else None,
        "os_disk": (
            models.BatchOsDisk(
                ephemeral_os_disk_settings=models.BatchDiffDiskSettings(placement=models.DiffDiskPlacement.CACHE_DISK)
            )
            if disks.ephemeral_os
            else None
        ),
        "data_disks": [
            models.DataDisk(
                logical_unit_number=number,
                disk_size_gb=disk.size_gib,
                caching=disk.caching,
                managed_disk=models.ManagedDisk(storage_account_type=disk.storage),
            )
            for number, disk in enumerate(disks.data)
        ]
        or None,
    }


def _user(user: NodeUser, found: Found) -> models.UserAccount:
    return models.UserAccount(
        name=user.name, password=found.secret(user.password_secret), elevation_level=_level(elevated=user.elevated)
    )


def _level(*, elevated: bool) -> models.ElevationLevel:
    return models.ElevationLevel.ADMIN if elevated else models.ElevationLevel.NON_ADMIN


def _start_task(
    task: StartTask, environment: dict[str, str], files: Sequence[models.ResourceFile]
) -> models.BatchStartTask:
    return models.BatchStartTask(
        command_line=shell_command(task.command),
        resource_files=list(files) or None,
        environment_settings=[models.EnvironmentSetting(name=name, value=value) for name, value in environment.items()]
        or None,
        user_identity=pool_user(elevated=task.elevated),
        max_task_retry_count=task.retries,
        wait_for_success=task.wait,
    )


def _network(network: Network) -> models.NetworkConfiguration:
    addresses = None
    if not network.public_ip:
        addresses = models.BatchPublicIpAddressConfiguration(
            ip_address_provisioning_type=models.IpAddressProvisioningType.NO_PUBLIC_IP_ADDRESSES
        )
    elif network.public_ips:
        addresses = models.BatchPublicIpAddressConfiguration(
            ip_address_provisioning_type=models.IpAddressProvisioningType.USER_MANAGED,
            ip_address_ids=list(network.public_ips),
        )
    return models.NetworkConfiguration(
        subnet_id=network.subnet,
        public_ip_address_configuration=addresses,
        enable_accelerated_networking=network.accelerated or None,
    )


def _mount(mount: Mount, found: Found) -> models.MountConfiguration:
    match mount:
        case BlobMount():
            return models.MountConfiguration(
                azure_blob_file_system_configuration=models.AzureBlobFileSystemConfiguration(
                    account_name=mount.account or found.storage_account,
                    container_name=mount.container,
                    account_key=found.secret(mount.key_secret) if mount.key_secret else None,
                    identity_reference=_identity(mount.identity),
                    blobfuse_options=mount.options or None,
                    relative_mount_path=mount.path,
                )
            )
        case NfsMount():
            return models.MountConfiguration(
                nfs_mount_configuration=models.NfsMountConfiguration(
                    source=mount.source, relative_mount_path=mount.path, mount_options=mount.options or None
                )
            )
        case FilesMount():
            return models.MountConfiguration(
                azure_file_share_configuration=models.AzureFileShareConfiguration(
                    account_name=mount.account_name,
                    azure_file_url=mount.url,
                    account_key=found.secret(mount.key_secret),
                    relative_mount_path=mount.path,
                    mount_options=mount.options or None,
                )
            )
