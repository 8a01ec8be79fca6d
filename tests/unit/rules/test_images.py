"""Images and the node agents that go with them."""

from datetime import UTC, datetime

import pytest

from localbatch.bodies.pools import ImageReference, VirtualMachineConfiguration
from localbatch.rules.images import Image, Images
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import parse_time

ARTICLE = (
    ("Canonical", "UbuntuServer", "18.04-LTS", "batch.node.ubuntu 18.04"),
    ("OpenLogic", "CentOS-HPC", "7.4", "batch.node.centos 7"),
)


def machine(publisher: str, offer: str, sku: str, agent: str) -> VirtualMachineConfiguration:
    reference = ImageReference(publisher=publisher, offer=offer, sku=sku)
    return VirtualMachineConfiguration(image_reference=reference, node_agent_sku_id=agent)


@pytest.mark.parametrize("image", ARTICLE)
def test_retired_images_are_still_taken_and_said_to_be_retired(image: tuple[str, str, str, str]) -> None:
    Images().check(machine(*image))
    (view,) = (view for view in Images().views() if view["nodeAgentSKUId"] == image[3])
    assert view["verificationType"] == "unverified"
    assert parse_time(str(view["batchSupportEndOfLife"])) < datetime.now(UTC)


def test_an_agent_that_belongs_to_another_image_is_refused_with_the_right_one() -> None:
    with pytest.raises(ServiceError) as caught:
        Images().check(machine("canonical", "UBUNTU-24_04-lts", "server", "batch.node.ubuntu 22.04"))
    values = dict(caught.value.values)
    assert values["PropertyName"] == "virtualMachineConfiguration.nodeAgentSKUId"
    assert "batch.node.ubuntu 24.04" in values["Reason"]


def test_an_agent_that_nobody_knows_is_refused_until_an_image_brings_it() -> None:
    asked = machine("acme", "os", "1", "batch.node.acme 1")
    with pytest.raises(ServiceError) as caught:
        Images().check(asked)
    assert caught.value.code == "InvalidPropertyValue"
    Images([Image("acme", "os", "1", "batch.node.acme 1")]).check(asked)


def test_an_image_that_is_not_listed_is_taken_with_any_agent_that_is() -> None:
    Images().check(machine("acme", "os", "1", "batch.node.ubuntu 24.04"))
