"""Choice of a VM image: verified, not near its end, and of a kind that runs shell scripts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from azure.batch.models import BatchSupportedImage, BatchVmImageReference

from prefect_azure_batch.blocks.pool_description import GALLERY_IMAGE, PoolDescription
from prefect_azure_batch.tasks.errors import BadInput

NEAR_END = timedelta(days=180)
"""How long before Batch ends its support of an image that is told."""

_PLAIN = (
    ("canonical", "ubuntu-24_04-lts", "server"),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts"),
)
# These bring MPI and Docker: "Azure HPC VM images", and "Use containers with Azure Batch", Microsoft Learn.
_HPC = (
    ("microsoft-dsvm", "ubuntu-hpc", "2404"),
    ("microsoft-dsvm", "ubuntu-hpc", "2204"),
)


@dataclass(frozen=True)
class ChosenImage:
    """What nodes are made from.

    Attributes:
        node_agent: the agent that goes with it.
        end: when Batch ends its support; None if nobody knows.
    """

    reference: BatchVmImageReference
    node_agent: str
    end: datetime | None = None

    @property
    def name(self) -> str:
        """``publisher:offer:sku``, or the id of an image that is not of the marketplace."""
        reference = self.reference
        own = (
            reference.virtual_machine_image_id,
            reference.community_gallery_image_id,
            reference.shared_gallery_image_id,
        )
        if found := next((image_id for image_id in own if image_id), None):
            return found
        return f"{reference.publisher}:{reference.offer}:{reference.sku}"

    def doubt(self, now: datetime) -> str | None:
        """What speaks against it; None for nothing."""
        if self.end is None or self.end - now > NEAR_END:
            return None
        return f"Batch ends its support of the image {self.name} on {self.end:%Y-%m-%d}: choose another one before."


def image_of(
    asked: PoolDescription, offered: Iterable[BatchSupportedImage], now: datetime | None = None, *, mpi: bool = False
) -> ChosenImage:
    """The image of a pool: the one that its description names, or a current one.

    Args:
        asked: the pool's description.
        offered: what the account offers (``BatchClient.list_supported_images``).
        now: the time images must outlive.
        mpi: prefer images that bring MPI.

    Raises:
        BadInput: the account does not offer the image, or its support has ended.
    """
    if asked.image and asked.node_agent:
        return ChosenImage(_own(asked.image), asked.node_agent)
    if asked.image:
        return _named(asked.image, list(offered), now or datetime.now(UTC))
    image = choose_image(offered, now, mpi=mpi, containers=asked.container is not None)
    return ChosenImage(image.image_reference, image.node_agent_sku_id, image.batch_support_end_of_life)


def _own(image_id: str) -> BatchVmImageReference:
    gallery = GALLERY_IMAGE.fullmatch(image_id)
    if gallery is None:
        return BatchVmImageReference(virtual_machine_image_id=image_id)
    if gallery[1].lower() == "community":
        return BatchVmImageReference(community_gallery_image_id=image_id)
    return BatchVmImageReference(shared_gallery_image_id=image_id)


def _named(name: str, offered: list[BatchSupportedImage], now: datetime) -> ChosenImage:
    publisher, offer, sku, *version = name.split(":")
    known = {_name(image): image for image in offered}
    image = known.get(":".join((publisher, offer, sku)).lower())
    if image is None:
        usable = [other for other, each in known.items() if _is_usable(each, now)]
        near = get_close_matches(name.lower(), usable, 3, 0.3) or usable[:3]
        raise BadInput(f"image: the Batch account does not offer {name!r}. It has, for example: {', '.join(near)}.")
    end = image.batch_support_end_of_life
    if end is not None and end <= now:
        raise BadInput(f"image: Batch has ended its support of {name!r} on {end:%Y-%m-%d}: choose another one.")
    if image.os_type.lower() != "linux":
        raise BadInput(f"image: {name!r} is Windows, and commands run through /bin/bash: choose one of Linux.")
    found = image.image_reference
    reference = BatchVmImageReference(
        publisher=found.publisher, offer=found.offer, sku=found.sku, version=version[0] if version else found.version
    )
    return ChosenImage(reference, image.node_agent_sku_id, end)


def _name(image: BatchSupportedImage) -> str:
    reference = image.image_reference
    return f"{reference.publisher}:{reference.offer}:{reference.sku}".lower()


def choose_image(
    images: Iterable[BatchSupportedImage], now: datetime | None = None, *, mpi: bool = False, containers: bool = False
) -> BatchSupportedImage:
    """The image a pool gets: the first of the preferred ones that is offered, else the newest Ubuntu.

    Args:
        images: what the account offers (``BatchClient.list_supported_images``).
        now: the time images must outlive.
        mpi: prefer images that bring MPI.
        containers: prefer images that bring Docker.

    Raises:
        BadInput: the account offers no verified Linux image that Batch still supports.
    """
    moment = now or datetime.now(UTC)
    usable = [image for image in images if _is_usable(image, moment)]
    for names in (*_HPC, *_PLAIN) if mpi or containers else (*_PLAIN, *_HPC):
        for image in usable:
            if _name(image) == ":".join(names):
                return image
    ubuntu = sorted(
        (image for image in usable if "ubuntu" in image.node_agent_sku_id), key=lambda i: i.node_agent_sku_id
    )
    if not ubuntu:
        raise BadInput("The Batch account offers no verified Ubuntu image: name an existing pool with --pool.")
    return ubuntu[-1]


def _is_usable(image: BatchSupportedImage, now: datetime) -> bool:
    end = image.batch_support_end_of_life
    return (
        image.os_type.lower() == "linux"
        and image.verification_type.lower() == "verified"
        and (end is None or end > now)
    )
