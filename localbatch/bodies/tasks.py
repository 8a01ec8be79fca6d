"""Request bodies of tasks: what they run, what they wait for, and what their end means to others.

Source: the Batch REST reference, API version 2025-06-01, and the docstrings of ``azure.batch.models``.
"""

from pydantic import Field

from localbatch.bodies.body import SHOWN, Body
from localbatch.bodies.commands import (
    Command,
    OutputFile,
    PackageReference,
    ResourceFile,
    TaskConstraints,
)


class AffinityInfo(Body):
    """The node a task would rather run on."""

    affinity_id: str


class TaskIdRange(Body):
    """All tasks whose ids are whole numbers from the first to the last, both included."""

    start: int
    end: int


class TaskDependencies(Body):
    """The tasks that another one waits for."""

    task_ids: list[str] = Field(default_factory=list)
    task_id_ranges: list[TaskIdRange] = Field(default_factory=list)


class ExitOptions(Body):
    """What happens to the job and to the tasks that wait; None is the default of the case."""

    job_action: str | None = None
    dependency_action: str | None = None


class ExitCodeMapping(Body):
    """What happens at one exit code."""

    code: int
    exit_options: ExitOptions


class ExitCodeRangeMapping(Body):
    """What happens at the exit codes from the first to the last, both included."""

    start: int
    end: int
    exit_options: ExitOptions


class ExitConditions(Body):
    """What happens when a task has ended, by how it ended."""

    exit_codes: list[ExitCodeMapping] = Field(default_factory=list)
    exit_code_ranges: list[ExitCodeRangeMapping] = Field(default_factory=list)
    pre_processing_error: ExitOptions | None = None
    file_upload_error: ExitOptions | None = None
    default: ExitOptions | None = None

    def options(self) -> list[tuple[str, ExitOptions]]:
        """Returns all options by the names of the properties that hold them."""
        named = [("preProcessingError", self.pre_processing_error), ("fileUploadError", self.file_upload_error)]
        found = [(name, options) for name, options in (*named, ("default", self.default)) if options is not None]
        codes = [(f"exitCodes.{number}.exitOptions", each.exit_options) for number, each in enumerate(self.exit_codes)]
        ranges = enumerate(self.exit_code_ranges)
        return codes + [(f"exitCodeRanges.{number}.exitOptions", each.exit_options) for number, each in ranges] + found


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
