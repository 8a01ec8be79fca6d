"""The VM images the service says it supports: those commonly used, none of which it needs.

Tasks run on this machine whatever the image; the list lets clients choose one as they do on Azure.
"""

from localbatch.wire.formats import JsonObject, JsonValue

_LATEST = "1.0.0"
_HPC = ("SupportsRDMAOnly", "NvidiaTeslaDriverInstalled")

_IMAGES: tuple[tuple[str, str, str, str, str, tuple[str, ...]], ...] = (
    ("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04", "verified", ()),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04", "verified", ()),
    ("canonical", "0001-com-ubuntu-server-focal", "20_04-lts", "batch.node.ubuntu 20.04", "verified", ()),
    ("microsoft-dsvm", "ubuntu-hpc", "2404", "batch.node.ubuntu 24.04", "verified", _HPC),
    ("microsoft-dsvm", "ubuntu-hpc", "2204", "batch.node.ubuntu 22.04", "verified", _HPC),
    ("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9", "verified", ()),
    ("almalinux", "almalinux-hpc", "8_10-hpc-gen2", "batch.node.el 8", "verified", _HPC),
    ("debian", "debian-12", "12", "batch.node.debian 12", "unverified", ()),
)


def supported_images() -> list[JsonObject]:
    """Returns the images as the wire shows them."""
    return [_view(*image) for image in _IMAGES]


def _view(publisher: str, offer: str, sku: str, agent: str, verification: str, more: tuple[str, ...]) -> JsonObject:
    view: JsonObject = {
        "nodeAgentSKUId": agent,
        "imageReference": {"publisher": publisher, "offer": offer, "sku": sku, "version": "latest"},
        "osType": "linux",
        "verificationType": verification,
    }
    if more:
        view["capabilities"] = list[JsonValue](more)
    return view


def exact_version(image: JsonObject) -> str:
    """Tells which version of an image nodes run: the one asked for, or for the latest one that is made up."""
    version = str(image["version"])
    return _LATEST if version.lower() == "latest" else version
