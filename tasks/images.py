"""Choice of a VM image: verified, not near its end, and of a kind that runs shell scripts."""

from collections.abc import Iterable
from datetime import UTC, datetime

from azure.batch.models import BatchSupportedImage

from prefect_azure_batch.tasks.errors import BadInput

_PLAIN = (
    ("canonical", "ubuntu-24_04-lts", "server"),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts"),
)
# These bring MPI: "Azure HPC VM images", Microsoft Learn.
_HPC = (
    ("microsoft-dsvm", "ubuntu-hpc", "2404"),
    ("microsoft-dsvm", "ubuntu-hpc", "2204"),
)


def choose_image(
    images: Iterable[BatchSupportedImage], now: datetime | None = None, *, mpi: bool = False
) -> BatchSupportedImage:
    """The image a pool gets: the first of the preferred ones that is offered, else the newest Ubuntu.

    Args:
        images: what the account offers (``BatchClient.list_supported_images``).
        now: the time images must outlive.
        mpi: prefer images that bring MPI.

    Raises:
        BadInput: the account offers no verified Linux image that Batch still supports.
    """
    moment = now or datetime.now(UTC)
    usable = [image for image in images if _is_usable(image, moment)]
    for publisher, offer, sku in (*_HPC, *_PLAIN) if mpi else (*_PLAIN, *_HPC):
        for image in usable:
            reference = image.image_reference
            if (str(reference.publisher).lower(), reference.offer, reference.sku) == (publisher, offer, sku):
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
