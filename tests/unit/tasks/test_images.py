"""Choice of a VM image."""

from datetime import UTC, datetime

import pytest
from azure.batch.models import BatchSupportedImage

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.images import choose_image, image_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def image(
    publisher: str, offer: str, sku: str, agent: str = "batch.node.ubuntu 24.04", **more: str
) -> BatchSupportedImage:
    reference = {"publisher": publisher, "offer": offer, "sku": sku}
    fields = {"nodeAgentSKUId": agent, "imageReference": reference, "osType": "linux", "verificationType": "verified"}
    return BatchSupportedImage(fields | more)


PLAIN = image("canonical", "ubuntu-24_04-lts", "server")
HPC = image("microsoft-dsvm", "ubuntu-hpc", "2404")
OLDER_HPC = image("microsoft-dsvm", "ubuntu-hpc", "2204")
OTHER = image("somebody", "ubuntu", "1", "batch.node.ubuntu 22.04")


@pytest.mark.parametrize(
    ("mpi", "offered", "chosen"),
    [
        (False, [HPC, PLAIN], PLAIN),
        (True, [PLAIN, OLDER_HPC, HPC], HPC),
        (True, [PLAIN, OLDER_HPC], OLDER_HPC),
        (True, [PLAIN], PLAIN),
        (True, [OTHER], OTHER),
    ],
)
def test_a_pool_for_mpi_gets_an_image_that_brings_it(
    mpi: bool, offered: list[BatchSupportedImage], chosen: BatchSupportedImage
) -> None:
    assert choose_image(offered, NOW, mpi=mpi) is chosen


def test_an_image_near_its_end_is_not_taken() -> None:
    ended = image("microsoft-dsvm", "ubuntu-hpc", "2404", batchSupportEndOfLife="2025-12-31T00:00:00Z")
    assert choose_image([ended, PLAIN], NOW, mpi=True) is PLAIN


def test_an_image_that_is_not_offered_is_told_with_usable_ones_like_it() -> None:
    ended = image("canonical", "ubuntu-18_04-lts", "server", batchSupportEndOfLife="2025-12-31T00:00:00Z")
    with pytest.raises(BadInput, match=r"^image: .* for example: canonical:ubuntu-24_04-lts:server\.$"):
        image_of(PoolDescription(nodes=1, image="canonical:ubuntu-18_04:server"), [ended, PLAIN], NOW)


def test_an_image_that_nobody_verified_is_not_taken() -> None:
    unverified = image("canonical", "ubuntu-24_04-lts", "server", verificationType="unverified")
    assert choose_image([unverified, OTHER], NOW) is OTHER


def test_an_account_without_a_usable_image_is_told() -> None:
    with pytest.raises(BadInput, match="name an existing pool"):
        choose_image([image("a", "b", "c", osType="windows")], NOW)


def test_an_image_of_ones_own_is_taken_as_it_is_whatever_the_account_offers() -> None:
    own = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/lab/images/solver/versions/1.0.0"
    chosen = image_of(PoolDescription(nodes=1, image=own, node_agent="batch.node.ubuntu 24.04"), [])
    assert (chosen.reference.virtual_machine_image_id, chosen.node_agent) == (own, "batch.node.ubuntu 24.04")


@pytest.mark.parametrize("kind", ["community", "shared"])
def test_an_image_of_a_gallery_of_others_is_named_as_such(kind: str) -> None:
    image_id = f"/{kind.title()}Galleries/lab-1a2b/Images/solver/Versions/latest"
    chosen = image_of(PoolDescription(nodes=1, image=image_id, node_agent="batch.node.ubuntu 24.04"), [])
    assert chosen.reference.as_dict() == {f"{kind}GalleryImageId": image_id}
    assert chosen.name == image_id
