"""Pools of images that this machine is not: retired ones, ones of the user's own, and Windows."""

from collections.abc import Iterator
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from localbatch.launcher import LocalAzure
from tests.support.account import Account, error_code, open_account

WINDOWS = "batch.node.windows amd64"


@pytest.fixture(scope="module")
def own_images() -> Iterator[LocalAzure]:
    options = ("--image", "acme:os:1:batch.node.acme 1", "--image", "canonical:old:16:batch.node.ubuntu 16.04")
    with LocalAzure(storage=False, attach=False, options=options) as azure:
        yield azure


def machine(offer: str, agent: str, **options: Any) -> models.VirtualMachineConfiguration:
    reference = models.BatchVmImageReference(publisher="microsoftwindowsserver", offer=offer, sku="2022-datacenter")
    return models.VirtualMachineConfiguration(image_reference=reference, node_agent_sku_id=agent, **options)


def make_windows_pool(batch: Account, **options: Any) -> None:
    configuration = machine(
        "windowsserver", WINDOWS, windows_configuration=models.WindowsConfiguration(enable_automatic_updates=False)
    )
    batch.make_pool(virtual_machine_configuration=configuration, **options)


def test_images_of_the_users_own_are_listed_and_can_be_asked_for(own_images: LocalAzure) -> None:
    with open_account(own_images.endpoints) as account:
        agents = [image.node_agent_sku_id for image in account.client.list_supported_images()]
        assert {"batch.node.acme 1", "batch.node.ubuntu 16.04", "batch.node.ubuntu 24.04"} <= set(agents)
        reference = models.BatchVmImageReference(publisher="acme", offer="os", sku="1")
        own = models.VirtualMachineConfiguration(image_reference=reference, node_agent_sku_id="batch.node.acme 1")
        account.make_pool(virtual_machine_configuration=own)


def test_the_nodes_of_a_windows_pool_come_up_and_its_configuration_is_shown(batch: Account) -> None:
    make_windows_pool(batch)
    batch.await_nodes()
    shown = batch.client.get_pool("pool").virtual_machine_configuration
    assert shown
    assert shown.node_agent_sku_id == WINDOWS
    assert shown.windows_configuration
    assert shown.windows_configuration.enable_automatic_updates is False


def test_a_task_on_windows_fails_with_the_reason_and_not_in_the_words_of_a_shell(batch: Account) -> None:
    make_windows_pool(batch)
    batch.make_job()
    batch.add_task("cmd /c echo hello", "t")
    info = batch.await_task("t").execution_info
    assert info
    assert info.failure_info
    assert (info.exit_code, info.failure_info.code) == (None, "CommandLaunchFailed")
    (detail,) = info.failure_info.details or []
    assert "one of Windows, and nothing runs on it" in (detail.value or "")


def test_a_start_task_on_windows_fails_likewise(batch: Account) -> None:
    make_windows_pool(batch, start_task=models.BatchStartTask(command_line="cmd /c exit 0", wait_for_success=True))
    (node,) = batch.await_nodes("starttaskfailed")
    assert node.start_task_info
    assert node.start_task_info.failure_info
    assert node.start_task_info.failure_info.code == "CommandLaunchFailed"


def test_settings_of_the_other_system_and_the_agent_of_another_image_are_refused(batch: Account) -> None:
    linux = models.LinuxUserConfiguration(uid=1000, gid=1000)
    account = models.UserAccount(name="u", password="p", linux_user_configuration=linux)
    with pytest.raises(HttpResponseError) as caught:
        make_windows_pool(batch, user_accounts=[account])
    assert error_code(caught.value) == "InvalidPropertyValue"
    with pytest.raises(HttpResponseError) as caught:
        batch.make_pool(virtual_machine_configuration=machine("windowsserver", "batch.node.ubuntu 24.04"))
    assert error_code(caught.value) == "InvalidPropertyValue"
