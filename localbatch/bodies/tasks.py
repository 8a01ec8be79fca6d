"""Parts of a task: whom it runs as, what it waits for, and what its end means to others.

Source: the Batch REST reference, API version 2025-06-01, and the docstrings of ``azure.batch.models``.
"""

from pydantic import Field

from localbatch.bodies.body import Body


class AffinityInfo(Body):
    """The node a task would rather run on."""

    affinity_id: str


class IdentityReference(Body):
    """A managed identity of the pool."""

    resource_id: str | None = None


class AutoUserSpecification(Body):
    """The account that Batch makes for a task."""

    scope: str | None = None
    elevation_level: str | None = None


class UserIdentity(Body):
    """The account a task runs as: one of the pool's user accounts, or one that Batch makes."""

    username: str | None = None
    auto_user: AutoUserSpecification | None = None


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
