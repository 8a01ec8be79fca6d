"""What a map run can be asked for."""

import re
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from prefect_azure_batch.blocks.pool_description import MOST_SLOTS, PoolDescription
from prefect_azure_batch.flows.parameters import InputName, RunParameters, complaining, name_of_run
from prefect_azure_batch.tasks.command import REDUCE_VARIABLES, Template, parse_template
from prefect_azure_batch.tasks.groups import Grouping
from prefect_azure_batch.tasks.parts import Part
from prefect_azure_batch.tasks.patterns import parse_pattern
from prefect_azure_batch.tasks.sweeps import INPUT_COLUMN, columns_of, combinations, parse_sweep, variables_of

EXAMPLE_COMMAND = "{app}/myapp < {input}"


class MapParameters(RunParameters):
    """One program over many inputs on Azure Batch: a task for each input."""

    model_config = ConfigDict(title="Map run")

    inputs: list[InputName] = Field(
        default_factory=list,
        title="Inputs",
        description=(
            "Local files, globs or directories, blobs as az://container/prefix or az://container/prefix/**/*.csv, or "
            "links (https://...). Empty: the bundled example."
        ),
    )
    command: str = Field(
        default="",
        title="Command",
        description=(
            "What runs for one input, through /bin/bash, in the task's working directory. "
            "Placeholders: {input}, {stem}, {index}, {app}, or {inputs} for the files of a task with several; write {{ "
            "and }} for braces."
        ),
    )

    common: list[InputName] = Field(
        default_factory=list,
        title="Common files",
        description=(
            "Files that every task has in its working directory besides its input: local files, globs or directories, "
            "blobs as az://container/prefix, or links."
        ),
    )
    sweep: list[str] = Field(
        default_factory=list,
        title="Sweep",
        description=(
            "Parameters and their values, as seed=1..100, rate=0..1..0.25 or model=a,b: a task for each combination, "
            "with {seed}, {rate} and {model} in the command; on each of the inputs, or with no input at all."
        ),
    )
    sweep_zip: bool = Field(
        default=False,
        title="Zip sweeps",
        description="Combine the first value of each sweep, then the second ... Not given: all with all.",
    )
    table: str | None = Field(
        default=None,
        min_length=1,
        title="Table",
        description=(
            "A CSV file with a line of names, or JSON lines: a task for each row, its columns in the command as "
            "{column}; a column 'input' names the row's file or blob."
        ),
    )
    chunk: int | None = Field(
        default=None,
        ge=1,
        title="Chunk",
        description="So many inputs, one after the other, for each task. They lie in its folder inputs: see {inputs}.",
    )
    group_by: Literal["folder"] | None = Field(
        default=None,
        title="Group by",
        description="folder: a task for each folder (of blobs: each prefix) that holds inputs, with all of them.",
    )
    part: str | None = Field(
        default=None,
        min_length=1,
        title="Part",
        description=(
            "1/2: do the first of two parts of the inputs, as another run does the second, on another account or "
            "machine. An input stays in its part as long as it is called the same."
        ),
    )
    reduce: str | None = Field(
        default=None,
        title="Reduce",
        description=(
            "What runs once on what all tasks have left, when all have succeeded, as './merge {inputs} > all.csv': "
            "{inputs} are their kept outputs, or, where no outputs are named, their standard outputs. It is one more "
            "task of the same job."
        ),
    )
    reduce_outputs: list[str] = Field(
        default_factory=list,
        title="Outputs of the reduce",
        description="Patterns of files to keep of the reduce, as for outputs. Its logs are always kept.",
    )
    retry_on: list[int] = Field(
        default_factory=list,
        title="Retry on",
        description="Exit codes of a task that are worth another attempt, such as 75 and 137. Not given: all but 0.",
    )
    succeed_on: list[int] = Field(
        default_factory=list,
        title="Succeed on",
        description="Exit codes of a task that count as success besides 0, such as 1 of grep. Results show the code.",
    )
    stop_on: list[int] = Field(
        default_factory=list,
        title="Stop on",
        description="Exit codes of a task that end the whole run at once, such as 64 for a wrong use.",
    )
    required_slots: int = Field(
        default=1,
        ge=1,
        le=MOST_SLOTS,
        title="Required slots",
        description="Slots of its node that one task takes, as for one with several threads. Default: 1.",
    )
    group_size: int | None = Field(
        default=None,
        ge=1,
        title="Group size",
        description=(
            "Inputs that go through the stages together, as one row in Prefect. Not given: 1 for up to 10 inputs, else "
            "a tenth of them, but no more than 500 or, if that is more, a fiftieth. At most 500 groups."
        ),
    )
    resume: bool = Field(
        default=True,
        title="Resume",
        description="What earlier runs have done to the same inputs is not done again (the default; the example runs).",
    )

    @field_validator("retry_on", "succeed_on", "stop_on", mode="before")
    @classmethod
    def _codes_may_stand_in_one_word(cls, codes: object) -> object:
        if not isinstance(codes, list):
            return codes
        parts = [part for code in codes for part in (code.split(",") if isinstance(code, str) else [code])]
        if wrong := [part for part in parts if isinstance(part, str) and not part.strip().isdecimal()]:
            raise ValueError(f"{wrong[0]!r} is no exit code: write numbers from 1 to 255, as in 75,137")
        return parts

    @model_validator(mode="after")
    def _codes_mean_one_thing(self) -> Self:
        seen: dict[int, str] = {}
        for option, codes in (
            ("--retry-on", self.retry_on), ("--succeed-on", self.succeed_on), ("--stop-on", self.stop_on)
        ):  # fmt: skip
            if any(not (code == 0 and option == "--succeed-on") and not 1 <= code <= 255 for code in codes):
                raise ValueError(f"{option}: exit codes of failures lie between 1 and 255")
            if twice := next((code for code in codes if seen.setdefault(code, option) != option), None):
                raise ValueError(f"{option}: the exit code {twice} stands in {seen[twice]}, too: leave it out of one")
        if self.retry_on and not self.retries:
            raise ValueError("--retry-on says what --retries is for: say how many")
        if self.stop_on and self.retries and not self.retry_on:
            raise ValueError(
                "--stop-on: with --retries alone Batch would try such a task again first: say with --retry-on which "
                "exit codes are worth that"
            )
        return self

    @field_validator("reduce_outputs")
    @classmethod
    def _reduce_outputs_stay_below(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            with complaining():
                parse_pattern(pattern)
        return patterns

    @model_validator(mode="after")
    def _reduce_can_be(self) -> Self:
        if self.reduce_outputs and self.reduce is None:
            raise ValueError("--reduce-outputs: it says what to keep of --reduce: say what that runs")
        if self.reduce is not None:
            if not self.command:
                raise ValueError("--reduce and --command go together: --command is missing")
            with complaining("reduce"):
                parse_template(self.reduce, REDUCE_VARIABLES, has_program=self.app is not None)
        return self

    @model_validator(mode="after")
    def _inputs_and_command_go_together(self) -> Self:
        sources = [name for name in ("inputs", "sweep", "table") if getattr(self, name)]
        if bool(sources) != bool(self.command):
            missing = "command" if sources else "inputs"
            raise ValueError(f"--{(sources or ['inputs'])[0]} and --command go together: --{missing} is missing")
        if self.sweep_zip and len(self.sweep) < 2:
            raise ValueError("--sweep-zip: it puts several --sweep together: give two or more")
        if self.table and len(sources) > 1:
            raise ValueError("--table: it says what the tasks are for: leave --inputs and --sweep out")
        if self.command:
            self._placeholders_fit_the_inputs()
            with complaining():
                template = self._parsed(self.command, has_program=self.app is not None)
            if not self.has_files and (wrong := {"input", "stem"} & template.placeholders):
                raise ValueError(f"--command: {{{min(wrong)}}} stands for a file, and there are no --inputs")
        for option, text in (("setup", self.setup), ("teardown", self.teardown)):
            if text:
                with complaining(option):
                    parse_template(text, {}, has_program=self.app is not None or self.is_example)
        return self

    @model_validator(mode="after")
    def _part_can_be(self) -> Self:
        if self.part is None:
            return self
        with complaining("part"):
            Part.parse(self.part)
        if not self.command:
            raise ValueError("--part: the bundled example has four inputs: say what to run, by --inputs and --command")
        if self.reduce is not None:
            raise ValueError("--part: --reduce takes what all inputs have left, and this run has some: leave one out")
        if "index" in self.template.placeholders:
            raise ValueError(
                "--part: {index} counts from 0 in each part: name inputs by {stem}, a --sweep or a --table"
            )
        return self

    def _placeholders_fit_the_inputs(self) -> None:
        """Refuses groups of what cannot be grouped, and the placeholder of one file for several or the reverse."""
        grouped = [name for name in ("chunk", "group-by") if getattr(self, name.replace("-", "_"))]
        if len(grouped) > 1:
            raise ValueError("--chunk and --group-by: both say which inputs go into one task: give one of them")
        if grouped and not self.inputs:
            raise ValueError(f"--{grouped[0]}: it puts --inputs together, and there are none")
        for name in ("input", "stem", "inputs"):
            if (name == "inputs") != bool(grouped) and re.search(rf"(?<!{{){{{name}}}", self.command):
                advice = (
                    f"stands for one file, and --{grouped[0]} gives a task several: write {{inputs}}"
                    if grouped
                    else "stands for several files: give --chunk or --group-by folder, or write {input}"
                )
                raise ValueError(f"--command: {{{name}}} {advice}")

    def _parsed(self, command: str, *, has_program: bool = True) -> Template:
        variables = variables_of(self.parameters, grouped=self.grouping is not None)
        return parse_template(command, variables, has_program=has_program)

    @property
    def grouping(self) -> Grouping | None:
        """Which inputs go into one task; None if each has a task of its own."""
        return Grouping(self.chunk) if self.chunk or self.group_by else None

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """Names of the values that each input has.

        Raises:
            ValueError: the sweep or table cannot be.
        """
        with complaining("sweep" if self.sweep else "table"):
            if self.sweep:
                next(combinations(self.sweep, zipped=self.sweep_zip))
                return tuple(parse_sweep(text)[0] for text in self.sweep)
            return tuple(name for name in self._columns if name != INPUT_COLUMN)

    @cached_property
    def _columns(self) -> list[str]:
        return columns_of(Path(self.table)) if self.table else []

    @property
    def has_files(self) -> bool:
        """Whether each input has a file or blob."""
        return bool(self.inputs) or INPUT_COLUMN in self._columns

    def check_pool_fits(self, description: PoolDescription) -> None:
        """Refuses a pool whose nodes have too few slots.

        Raises:
            ValueError: says so.
        """
        if description.existing and description.nodes is not None:
            key = "nodes" if self.nodes is None else "--nodes"
            raise ValueError(f"{key}: the pool {description.existing!r} has its own, for all tasks: leave it out")
        if description.existing is None and self.required_slots > description.slots:
            raise ValueError(
                f"--required-slots: a task needs {self.required_slots} slots, and a node has {description.slots}: give "
                "as many --slots"
            )

    @property
    def run_name(self) -> str:
        """What the flow run is called in Prefect."""
        kind = "plan of map" if self.plan else "map"
        return name_of_run(f"{kind} {self.part}" if self.part else kind, self.command)

    @property
    def is_example(self) -> bool:
        """Whether nothing was said of what to run."""
        return not self.command

    @property
    def template(self) -> Template:
        """The command, taken apart."""
        return self._parsed(self.command or EXAMPLE_COMMAND)
