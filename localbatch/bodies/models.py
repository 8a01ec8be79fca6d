"""Request bodies of the Batch REST API, as clients send them.

Source: the Batch REST reference, API version 2025-06-01, and the docstrings of ``azure.batch.models``.
"""

from datetime import timedelta

from pydantic import Field

from localbatch.bodies.body import Body, Duration
from localbatch.bodies.containers import ContainerConfiguration, ContainerSettings
from localbatch.bodies.tasks import (
    AffinityInfo,
    ExitConditions,
    IdentityReference,
    TaskDependencies,
    UserIdentity,
)


class NameValue(Body):
    """An environment setting, whose value may be left out."""

    name: str
    value: str = ""


class MetadataItem(Body):
    """A metadata item of a pool or job."""

    name: str
    value: str


class ResourceFile(Body):
    """A file, or the blobs of a container, put on the node before a command runs."""

    auto_storage_container_name: str | None = None
    storage_container_url: str | None = None
    http_url: str | None = None
    blob_prefix: str | None = None
    file_path: str | None = None
    file_mode: str | None = None
    identity_reference: IdentityReference | None = None


class OutputContainer(Body):
    """Where output files go: a container by its SAS link, or by the name of an identity that may write to it."""

    container_url: str
    path: str | None = None
    identity_reference: IdentityReference | None = None


class OutputDestination(Body):
    """The only kind of destination is a blob container."""

    container: OutputContainer | None = None


class OutputUploadOptions(Body):
    """When output files are uploaded: ``tasksuccess``, ``taskfailure`` or ``taskcompletion``."""

    upload_condition: str = "taskcompletion"


class OutputFile(Body):
    """Files uploaded from the node after the command has ended."""

    file_pattern: str
    destination: OutputDestination
    upload_options: OutputUploadOptions


class PackageReference(Body):
    """An application package, by id and version (the default version if none is given)."""

    application_id: str
    version: str | None = None


class TaskConstraints(Body):
    """Time limits and retries of a task. ``max_task_retry_count`` -1 means without limit."""

    max_wall_clock_time: Duration | None = None
    retention_time: Duration | None = None
    max_task_retry_count: int | None = None


class Command(Body):
    """What start, preparation, release and ordinary tasks have in common."""

    command_line: str
    resource_files: list[ResourceFile] = Field(default_factory=list)
    environment_settings: list[NameValue] = Field(default_factory=list)
    user_identity: UserIdentity | None = None
    container_settings: ContainerSettings | None = None


class StartTask(Command):
    """A command run on each node whenever it starts."""

    max_task_retry_count: int = 0
    wait_for_success: bool = True


class MultiInstanceSettings(Body):
    """A task that takes several nodes at once."""

    number_of_instances: int = 1
    coordination_command_line: str
    common_resource_files: list[ResourceFile] = Field(default_factory=list)


class TaskBody(Command):
    """A task as added to a job."""

    others = ("authenticationTokenSettings",)
    id: str
    display_name: str | None = None
    output_files: list[OutputFile] = Field(default_factory=list)
    constraints: TaskConstraints = Field(default_factory=TaskConstraints)
    required_slots: int = 1
    application_package_references: list[PackageReference] = Field(default_factory=list)
    multi_instance_settings: MultiInstanceSettings | None = None
    affinity_info: AffinityInfo | None = None
    depends_on: TaskDependencies | None = None
    exit_conditions: ExitConditions | None = None


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
