"""Request bodies of pools, as clients send them.

Source: the Batch REST reference, API version 2025-06-01, and the docstrings of ``azure.batch.models``.
"""

from datetime import timedelta

from pydantic import Field

from localbatch.bodies.body import Body, Duration, MetadataItem
from localbatch.bodies.commands import Command, PackageReference
from localbatch.bodies.containers import ContainerConfiguration


class StartTask(Command):
    """A command run on each node whenever it starts."""

    max_task_retry_count: int = 0
    wait_for_success: bool = True


class TaskSchedulingPolicy(Body):
    """How a pool's tasks are spread over its nodes."""

    node_fill_type: str = "spread"
    job_default_order: str = "none"


class ImageReference(Body):
    """The image of a pool's nodes."""

    publisher: str | None = None
    offer: str | None = None
    sku: str | None = None
    version: str | None = None
    virtual_machine_image_id: str | None = None


class VirtualMachineConfiguration(Body):
    """What the nodes of a pool run on."""

    image_reference: ImageReference
    node_agent_sku_id: str = Field(alias="nodeAgentSKUId")
    container_configuration: ContainerConfiguration | None = None


class PoolSpecification(Body):
    """A pool without its id, as a job asks for one of its own. Names of older API versions are among the others."""

    others = (
        *("mountConfiguration", "networkConfiguration", "upgradePolicy", "userAccounts"),
        *("applicationLicenses", "certificateReferences", "cloudServiceConfiguration", "resourceTags"),
        "targetNodeCommunicationMode",
    )
    vm_size: str
    virtual_machine_configuration: VirtualMachineConfiguration
    display_name: str | None = None
    task_scheduling_policy: TaskSchedulingPolicy | None = None
    resize_timeout: Duration = timedelta(minutes=15)
    target_dedicated_nodes: int = 0
    target_low_priority_nodes: int = 0
    enable_auto_scale: bool = False
    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: Duration = timedelta(minutes=15)
    enable_inter_node_communication: bool = False
    start_task: StartTask | None = None
    application_package_references: list[PackageReference] = Field(default_factory=list)
    task_slots_per_node: int = 1
    metadata: list[MetadataItem] = Field(default_factory=list)


class PoolBody(PoolSpecification):
    """A pool as created."""

    id: str


class PoolPatch(Body):
    """What can be changed of a pool; what is left out stays as it is."""

    others = (
        *("mountConfiguration", "networkConfiguration", "upgradePolicy", "userAccounts"),
        *("certificateReferences", "targetNodeCommunicationMode"),
    )
    display_name: str | None = None
    vm_size: str | None = None
    task_slots_per_node: int | None = None
    enable_inter_node_communication: bool | None = None
    start_task: StartTask | None = None
    task_scheduling_policy: TaskSchedulingPolicy | None = None
    virtual_machine_configuration: VirtualMachineConfiguration | None = None
    application_package_references: list[PackageReference] | None = None
    metadata: list[MetadataItem] | None = None


class PoolReplacement(Body):
    """What ``updateproperties`` replaces as a whole; what is left out is removed."""

    others = ("certificateReferences", "targetNodeCommunicationMode")
    start_task: StartTask | None = None
    application_package_references: list[PackageReference]
    metadata: list[MetadataItem]


class PoolResize(Body):
    """The sizes a pool is to have."""

    others = ()
    target_dedicated_nodes: int | None = None
    target_low_priority_nodes: int | None = None
    resize_timeout: Duration | None = None
    node_deallocation_option: str = "requeue"


class AutoScaleEnabling(Body):
    """A formula for a pool's sizes, the time between two evaluations, or both."""

    others = ()
    auto_scale_formula: str | None = None
    auto_scale_evaluation_interval: Duration | None = None


class AutoScaleTrial(Body):
    """A formula that is to be evaluated and not to be applied."""

    others = ()
    auto_scale_formula: str


class NodeRemoval(Body):
    """Nodes that are to leave their pool."""

    others = ()
    node_list: list[str]
    resize_timeout: Duration | None = None
    node_deallocation_option: str = "requeue"


class Fault(Body):
    """A fault that is asked for, in the words of the error it is to give."""

    others = ()
    code: str = ""
    message: str = ""
