"""Bodies of the requests that change what exists: updates, resizes and the like.

Source: the Batch REST reference, API version 2025-06-01.
"""

from pydantic import Field

from localbatch.bodies.body import Body, Duration, Time
from localbatch.bodies.jobs import JobConstraints, JobNetworkConfiguration, PoolInfo
from localbatch.bodies.models import (
    MetadataItem,
    PackageReference,
    StartTask,
    TaskConstraints,
    TaskSchedulingPolicy,
    VirtualMachineConfiguration,
)
from localbatch.bodies.tasks import IdentityReference


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


class NodeReboot(Body):
    """What becomes of the tasks of a node that is to be rebooted."""

    others = ()
    node_reboot_option: str = "requeue"


class NodeReimage(Body):
    """What becomes of the tasks of a node that is to be reimaged."""

    others = ()
    node_reimage_option: str = "requeue"


class NodeDeallocation(Body):
    """What becomes of the tasks of a node that is to be deallocated."""

    others = ()
    node_deallocate_option: str = "requeue"


class NodeSchedulingDisabling(Body):
    """What becomes of the tasks of a node that is to take no more of them."""

    others = ()
    node_disable_scheduling_option: str = "requeue"


class NodeUserReplacement(Body):
    """What a PUT replaces of a user account of a node; what is left out gets its default."""

    others = ()
    password: str | None = None
    expiry_time: Time | None = None
    ssh_public_key: str | None = None


class NodeUser(NodeUserReplacement):
    """A user account of a node."""

    name: str
    is_admin: bool = False


class NodeLogUpload(Body):
    """Where to the logs of a node go, and of which time."""

    others = ()
    container_url: str
    start_time: Time
    end_time: Time | None = None
    identity_reference: IdentityReference | None = None


class Fault(Body):
    """A fault that is asked for, in the words of the error it is to give."""

    others = ()
    code: str = ""
    message: str = ""


class JobPatch(Body):
    """What can be changed of a job; what is left out stays as it is."""

    others = ()
    priority: int | None = None
    max_parallel_tasks: int | None = None
    allow_task_preemption: bool | None = None
    constraints: JobConstraints | None = None
    pool_info: PoolInfo | None = None
    on_all_tasks_complete: str | None = None
    network_configuration: JobNetworkConfiguration | None = None
    metadata: list[MetadataItem] | None = None


SHOWN = (
    *("odata.metadata", "creationTime", "displayName", "eTag", "executionInfo", "id", "lastModified", "previousState"),
    *("previousStateTransitionTime", "state", "stateTransitionTime", "stats", "url"),
)


class JobReplacement(Body):
    """What a PUT replaces of a job; what is left out gets its default. Clients send whole jobs as shown to them."""

    others = (
        *SHOWN,
        *("commonEnvironmentSettings", "jobManagerTask", "jobPreparationTask", "jobReleaseTask"),
        *("onTaskFailure", "usesTaskDependencies"),
    )
    priority: int = 0
    max_parallel_tasks: int = -1
    allow_task_preemption: bool = False
    constraints: JobConstraints = Field(default_factory=JobConstraints)
    pool_info: PoolInfo
    on_all_tasks_complete: str = "noaction"
    network_configuration: JobNetworkConfiguration | None = None
    metadata: list[MetadataItem] = Field(default_factory=list)


class JobDisabling(Body):
    """What becomes of the tasks of a job that is being disabled: ``requeue``, ``terminate`` or ``wait``."""

    others = ()
    disable_tasks: str


class JobTermination(Body):
    """Why a job is ended."""

    others = ()
    terminate_reason: str = "UserTerminate"


class TaskReplacement(Body):
    """What a PUT replaces of a task: only its constraints. Clients send whole tasks as shown to them."""

    others = (
        *SHOWN,
        *("affinityInfo", "applicationPackageReferences", "authenticationTokenSettings", "commandLine"),
        *("containerSettings", "dependsOn", "environmentSettings", "exitConditions", "multiInstanceSettings"),
        *("nodeInfo", "outputFiles", "requiredSlots", "resourceFiles", "userIdentity"),
    )
    constraints: TaskConstraints = Field(default_factory=TaskConstraints)


class TaskGroup(Body):
    """Tasks to be added together; each is checked on its own."""

    others = ()
    value: list[dict[str, object]]
