"""Pools and tasks that ask for containers, as their clients see them."""

from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from tests.support.account import IMAGE, Account, error_code, error_values

REGISTRY = models.ContainerRegistryReference(username="me", password="hush", registry_server="registry.example")
SETTINGS = models.BatchTaskContainerSettings(
    image_name="nowhere/image",
    container_run_options="--rm",
    registry=REGISTRY,
    working_directory="containerImageDefault",
    container_host_batch_bind_mounts=[models.ContainerHostBatchBindMountEntry(source="Task", is_read_only=True)],
)


CONFIGURATION = models.BatchContainerConfiguration(
    type="DockerCompatible", container_image_names=["a", "b:1"], container_registries=[REGISTRY]
)


def make_container_pool(batch: Account, configuration: Any = CONFIGURATION, **options: Any) -> None:
    """Makes a pool for containers, without nodes unless they are asked for; options are named as on the wire."""
    machine = {**IMAGE.as_dict(), "containerConfiguration": configuration}
    pool = {"id": "pool", "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": machine}
    batch.client.create_pool(models.BatchPoolCreateOptions({**pool, **options}))


def test_what_a_pool_has_for_containers_is_shown_without_passwords(batch: Account) -> None:
    make_container_pool(batch)
    machine = batch.client.get_pool("pool").virtual_machine_configuration
    assert machine is not None
    shown = machine.container_configuration
    assert shown is not None
    assert (shown.type, shown.container_image_names) == ("dockerCompatible", ["a", "b:1"])
    assert [each.as_dict() for each in shown.container_registries or []] == [
        {"username": "me", "registryServer": "registry.example"}
    ]


def test_the_container_of_a_command_is_shown_without_passwords_wherever_it_stands(batch: Account) -> None:
    start_task = models.BatchStartTask(command_line="true", container_settings=SETTINGS)
    make_container_pool(batch, startTask=start_task.as_dict())
    batch.make_job(
        job_preparation_task=models.BatchJobPreparationTask(command_line="true", container_settings=SETTINGS),
        job_release_task=models.BatchJobReleaseTask(command_line="true", container_settings=SETTINGS),
    )
    batch.client.create_task(
        "job", models.BatchTaskCreateOptions(id="task", command_line="", container_settings=SETTINGS)
    )
    job, pool = batch.client.get_job("job"), batch.client.get_pool("pool")
    shown = [
        *(batch.client.get_task("job", "task"), *batch.client.list_tasks("job")),
        *(pool.start_task, job.job_preparation_task, job.job_release_task),
    ]
    expected = SETTINGS.as_dict()
    del expected["registry"]["password"]
    for holder in shown:
        assert holder is not None
        assert holder.container_settings is not None
        assert holder.container_settings.as_dict() == expected


def test_a_container_task_on_another_pool_fails(batch: Account) -> None:
    task = batch.run("true", container_settings=models.BatchTaskContainerSettings(image_name="image"))
    info = task.execution_info
    assert info is not None
    assert info.failure_info is not None
    assert (info.exit_code, info.failure_info.code) == (None, "ContainerPoolNotSupported")
    assert info.failure_info.category == "usererror"


def test_a_start_task_in_a_container_needs_a_pool_for_containers(batch: Account) -> None:
    start_task = models.BatchStartTask(command_line="true", container_settings=SETTINGS, wait_for_success=True)
    batch.make_pool(start_task=start_task)
    (node,) = batch.await_nodes("starttaskfailed")
    info = node.start_task_info
    assert info is not None
    assert info.failure_info is not None
    assert info.failure_info.code == "ContainerPoolNotSupported"
    assert node.start_task is not None
    assert node.start_task.container_settings is not None
    assert node.start_task.container_settings.registry is not None
    assert node.start_task.container_settings.registry.password is None


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"image_name": " "}, "containerSettings.imageName"),
        ({"image_name": "--privileged"}, "containerSettings.imageName"),
        ({"image_name": "x", "working_directory": "home"}, "containerSettings.workingDirectory"),
        (
            {
                "image_name": "x",
                "container_host_batch_bind_mounts": [models.ContainerHostBatchBindMountEntry(source="Root")],
            },
            "containerSettings.containerHostBatchBindMounts.0.source",
        ),
    ],
)
def test_containers_that_cannot_be_are_refused(batch: Account, settings: dict[str, Any], name: str) -> None:
    batch.make_job()
    with pytest.raises(HttpResponseError) as caught:
        batch.add_task("true", container_settings=models.BatchTaskContainerSettings(**settings))
    assert error_code(caught.value) == "InvalidPropertyValue"
    assert error_values(caught.value)["PropertyName"] == name


def test_a_task_on_several_nodes_in_containers_is_not_emulated(batch: Account) -> None:
    batch.make_job()
    several = models.MultiInstanceSettings(number_of_instances=2, coordination_command_line="true")
    with pytest.raises(HttpResponseError) as caught:
        batch.add_task("true", container_settings=SETTINGS, multi_instance_settings=several)
    assert error_code(caught.value) == "UnsupportedProperty"
