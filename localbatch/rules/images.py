"""The VM images the service says it supports: those commonly used, none of which it needs.

Tasks run on this machine whatever the image; the list lets clients choose one as they do on Azure. On nodes of Windows
nothing runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from localbatch.bodies.jobs import PoolInfo
from localbatch.bodies.pools import VirtualMachineConfiguration
from localbatch.bodies.reading import within
from localbatch.rules.checks import check_choice
from localbatch.wire.errors import invalid_property
from localbatch.wire.formats import JsonObject, JsonValue

WINDOWS_AGENT = "batch.node.windows amd64"

_LATEST = "1.0.0"
_HPC = ("SupportsRDMAOnly", "NvidiaTeslaDriverInstalled")


@dataclass(frozen=True)
class Image:
    """An image of the marketplace.

    Attributes:
        agent: the node agent that goes with it, such as ``batch.node.ubuntu 24.04``.
        capabilities: what the service says of it.
        end_of_life: when Batch ends or has ended its support, as the wire has it; None if that is not known.
        verified: it was tested with its agent.
    """

    publisher: str
    offer: str
    sku: str
    agent: str
    capabilities: tuple[str, ...] = ()
    end_of_life: str | None = None
    verified: bool = True

    @property
    def names(self) -> tuple[str, str, str]:
        """Publisher, offer and SKU in small letters, for their case does not count."""
        return self.publisher.lower(), self.offer.lower(), self.sku.lower()

    @property
    def is_windows(self) -> bool:
        """Whether its nodes are of Windows."""
        return is_windows(self.agent)

    def view(self) -> JsonObject:
        """Shows it on the wire."""
        view: JsonObject = {
            "nodeAgentSKUId": self.agent,
            "imageReference": {
                "publisher": self.publisher,
                "offer": self.offer,
                "sku": self.sku,
                "version": "latest",
            },
            "osType": "windows" if self.is_windows else "linux",
            "verificationType": "verified" if self.verified else "unverified",
        }
        if self.capabilities:
            view["capabilities"] = list[JsonValue](self.capabilities)
        if self.end_of_life:
            view["batchSupportEndOfLife"] = self.end_of_life
        return view


KNOWN = (
    Image("canonical", "ubuntu-24_04-lts", "server", "batch.node.ubuntu 24.04"),
    Image("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", "batch.node.ubuntu 22.04"),
    Image("canonical", "0001-com-ubuntu-server-focal", "20_04-lts", "batch.node.ubuntu 20.04"),
    Image("microsoft-dsvm", "ubuntu-hpc", "2404", "batch.node.ubuntu 24.04", _HPC),
    Image("microsoft-dsvm", "ubuntu-hpc", "2204", "batch.node.ubuntu 22.04", _HPC),
    Image("almalinux", "almalinux-x86_64", "9-gen2", "batch.node.el 9"),
    Image("almalinux", "almalinux-hpc", "8_10-hpc-gen2", "batch.node.el 8", _HPC),
    Image("debian", "debian-12", "12", "batch.node.debian 12", verified=False),
    Image("microsoftwindowsserver", "windowsserver", "2022-datacenter", WINDOWS_AGENT),
    Image("microsoftwindowsserver", "windowsserver", "2019-datacenter", WINDOWS_AGENT),
    # Retired: the article's programs ask for them (docs/article.md).
    Image(
        "canonical",
        "ubuntuserver",
        "18.04-lts",
        "batch.node.ubuntu 18.04",
        end_of_life="2023-04-01T00:00:00.0000000Z",
        verified=False,
    ),
    Image(
        "openlogic",
        "centos-hpc",
        "7.4",
        "batch.node.centos 7",
        ("SupportsRDMAOnly",),
        end_of_life="2024-06-30T00:00:00.0000000Z",
        verified=False,
    ),
)


class Images:
    """All images that pools are made from.

    Args:
        added: those besides the known ones, or in the place of one.
    """

    def __init__(self, added: Sequence[Image] = ()) -> None:
        names = {image.names for image in added}
        self._images = (*(image for image in KNOWN if image.names not in names), *added)

    def views(self) -> list[JsonObject]:
        """Shows them on the wire."""
        return [image.view() for image in self._images]

    def check(self, machine: VirtualMachineConfiguration | None) -> None:
        """Refuses an agent that there is not or that does not go with the image; other images are taken as they are.

        Raises:
            ServiceError: ``InvalidPropertyValue``.
        """
        if machine is None:
            return
        name = "virtualMachineConfiguration.nodeAgentSKUId"
        check_choice(name, machine.node_agent_sku_id, sorted({image.agent for image in self._images}))
        reference = machine.image_reference
        asked = tuple(str(part).lower() for part in (reference.publisher, reference.offer, reference.sku))
        agents = {image.agent for image in self._images if image.names == asked}
        if agents and machine.node_agent_sku_id.lower() not in {agent.lower() for agent in agents}:
            reason = f"The image goes with the node agent {' or '.join(sorted(agents))}."
            raise invalid_property(name, machine.node_agent_sku_id, reason)

    def check_own_pool(self, info: PoolInfo) -> None:
        """Does the same with the pool that a job asks for as its own, if it does."""
        automatic = info.auto_pool_specification
        if automatic is not None and automatic.pool is not None:
            with within("poolInfo.autoPoolSpecification.pool"):
                self.check(automatic.pool.virtual_machine_configuration)


def is_windows(agent: str) -> bool:
    """Tells whether a node agent is one of Windows."""
    return agent.lower() == WINDOWS_AGENT


def exact_version(image: JsonObject) -> str:
    """Tells which version of an image nodes run: the one asked for, or for the latest one that is made up."""
    version = str(image["version"])
    return _LATEST if version.lower() == "latest" else version
