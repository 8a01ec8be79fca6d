"""Request bodies of jobs and of the tasks that belong to a job itself.

Source: the Batch REST reference, API version 2025-06-01, and the docstrings of ``azure.batch.models``.
"""

from datetime import timedelta

from pydantic import Field

from localbatch.bodies.body import SHOWN, Body, Duration, MetadataItem
from localbatch.bodies.commands import (
    Command,
    NameValue,
    OutputFile,
    PackageReference,
    TaskConstraints,
)
from localbatch.bodies.pools import PoolSpecification
from localbatch.bodies.tasks import TaskBody

_OF_MANAGERS = ("killJobOnCompletion", "runExclusive", "allowLowPriorityNode")


class JobPreparationTask(Command):
    """A command run once on each node before the job's first task there."""

    id: str = "jobpreparation"
    constraints: TaskConstraints = Field(default_factory=TaskConstraints)
    wait_for_success: bool = True
    rerun_on_node_reboot_after_success: bool = True


class JobManagerTask(Command):
    """A task of the job that is made with it and comes before all others."""

    others = ("containerSettings", "authenticationTokenSettings")
    id: str
    display_name: str | None = None
    output_files: list[OutputFile] = Field(default_factory=list)
    constraints: TaskConstraints = Field(default_factory=TaskConstraints)
    required_slots: int = 1
    application_package_references: list[PackageReference] = Field(default_factory=list)
    kill_job_on_completion: bool = True
    run_exclusive: bool = True
    allow_low_priority_node: bool = True

    @property
    def task(self) -> TaskBody:
        """What it has in common with any task."""
        document = self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)
        return TaskBody.model_validate({name: value for name, value in document.items() if name not in _OF_MANAGERS})


class JobReleaseTask(Command):
    """A command run on each node that the preparation task has run on, when the job ends."""

    id: str = "jobrelease"
    max_wall_clock_time: Duration = timedelta(minutes=15)
    retention_time: Duration = timedelta(days=7)


class JobConstraints(Body):
    """Time limit of a job and the retries its tasks inherit."""

    max_wall_clock_time: Duration | None = None
    max_task_retry_count: int = 0


class AutoPoolSpecification(Body):
    """A pool that is made for a job or a job schedule, and ends with it unless it is kept alive."""

    others = ()
    auto_pool_id_prefix: str = ""
    pool_lifetime_option: str
    keep_alive: bool = False
    pool: PoolSpecification | None = None

    @property
    def lives_with_schedule(self) -> bool:
        """Whether all jobs of a schedule share the pool."""
        return self.pool_lifetime_option.lower() == "jobschedule"

    @property
    def ends_with_job(self) -> bool:
        """Whether the pool is deleted once the job it was made for has ended."""
        return not self.keep_alive and not self.lives_with_schedule


class PoolInfo(Body):
    """The pool a job runs on: one that is there, or one made for it."""

    others = ()
    pool_id: str | None = None
    auto_pool_specification: AutoPoolSpecification | None = None


class JobNetworkConfiguration(Body):
    """A virtual network that nodes would join while they run tasks of the job; remembered, and of no effect here."""

    subnet_id: str
    skip_withdraw_from_vnet: bool = Field(default=False, alias="skipWithdrawFromVNet")


class JobSpecification(Body):
    """What a job does, whether it is created by itself or by a schedule."""

    display_name: str | None = None
    uses_task_dependencies: bool | None = None
    priority: int = 0
    allow_task_preemption: bool | None = None
    max_parallel_tasks: int = -1
    constraints: JobConstraints = Field(default_factory=JobConstraints)
    job_manager_task: JobManagerTask | None = None
    job_preparation_task: JobPreparationTask | None = None
    job_release_task: JobReleaseTask | None = None
    common_environment_settings: list[NameValue] = Field(default_factory=list)
    pool_info: PoolInfo
    on_all_tasks_complete: str = "noaction"
    on_task_failure: str = "noaction"
    network_configuration: JobNetworkConfiguration | None = None
    metadata: list[MetadataItem] = Field(default_factory=list)


class JobBody(JobSpecification):
    """A job as created."""

    others = ()
    id: str


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
