"""What a map run can be asked for. Prefect makes a form of it."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tasks.command import Template, parse_template
from tasks.errors import BadInput

EXAMPLE_COMMAND = "{app}/myapp < {input}"


class MapParameters(BaseModel):
    """One program over many inputs on Azure Batch: a task for each input."""

    model_config = ConfigDict(extra="forbid", title="Map run")

    inputs: list[str] = Field(
        default_factory=list,
        title="Inputs",
        description="Local files, globs or directories, or blobs as az://container/prefix. Empty: the bundled example.",
    )
    command: str = Field(
        default="",
        title="Command",
        description=(
            "What runs for one input, through /bin/bash, in the task's working directory. "
            "Placeholders: {input}, {stem}, {index}, {app}; write {{ and }} for braces."
        ),
    )
    app: str | None = Field(
        default=None,
        min_length=1,
        title="Program",
        description="A file or directory to ship to the nodes, or id:version of an application package that exists.",
    )
    outputs: list[str] = Field(
        default_factory=list,
        title="Outputs",
        description="Patterns of files to keep, relative to the working directory. Logs are always kept.",
    )
    results: str | None = Field(
        default=None,
        min_length=1,
        title="Results",
        description="Local directory that takes each task's logs and outputs. Default: results/<run id>.",
    )
    nodes: int = Field(
        default=2, ge=1, title="Nodes", description="Number of VMs in the pool that is made for the run."
    )
    slots: int = Field(default=1, ge=1, le=256, title="Slots", description="Tasks that one node runs at a time.")
    vm_size: str = Field(
        default="standard_d2s_v3", min_length=1, title="VM size", description="Azure VM size of the nodes."
    )
    pool: str | None = Field(
        default=None, min_length=1, title="Pool", description="An existing pool to use instead of making one."
    )
    account: str | None = Field(
        default=None,
        min_length=1,
        title="Account",
        description="Name of an Azure Batch account block. Not given: a local Azure.",
    )
    task_minutes: float | None = Field(
        default=None, gt=0, title="Task limit", description="Longest life of one task, in minutes."
    )
    hours: float = Field(
        default=24, gt=0, le=24 * 6, title="Run limit", description="Longest life of the whole run, in hours."
    )
    retries: int = Field(
        default=0, ge=0, le=100, title="Retries", description="How often Batch repeats a task that fails."
    )

    @field_validator("outputs")
    @classmethod
    def _outputs_stay_below(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            if not pattern or pattern.startswith("/") or ".." in pattern.split("/"):
                raise ValueError(f"the pattern {pattern!r} must be relative to the working directory and stay below it")
        return patterns

    @model_validator(mode="after")
    def _inputs_and_command_go_together(self) -> Self:
        if bool(self.inputs) != bool(self.command):
            missing = "command" if self.inputs else "inputs"
            raise ValueError(f"--inputs and --command go together: --{missing} is missing")
        if self.command:
            try:
                template = parse_template(self.command)
            except BadInput as error:
                raise ValueError(str(error)) from None
            if "app" in template.placeholders and not self.app:
                raise ValueError("the command uses {app}, but no program was given: name one with --app")
        return self

    @property
    def template(self) -> Template:
        """The command, taken apart."""
        return parse_template(self.command or EXAMPLE_COMMAND)
