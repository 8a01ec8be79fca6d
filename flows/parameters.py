"""What a run can be asked for. Prefect makes a form of it, and the command line its options."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, PlainSerializer, ValidationError, field_validator, model_validator

from prefect_azure_batch.blocks.containers import check_container_name
from prefect_azure_batch.blocks.forms import show_without_default
from prefect_azure_batch.blocks.pool_description import (
    DEFAULT_NODES,
    DEFAULT_VM_SIZE,
    MOST_NODES,
    MOST_SLOTS,
    PoolDescription,
    first_complaint,
)
from prefect_azure_batch.blocks.pool_parts import check_variables
from prefect_azure_batch.flows.asked import Asked
from prefect_azure_batch.tasks.cost import Terms
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.patterns import parse_pattern
from prefect_azure_batch.tasks.records import BLOB_SCHEME, DEFAULT_LEASE, DEFAULT_TEARDOWN_LIMIT, Place
from prefect_azure_batch.tasks.secret_sources import SecretSource, parse_source
from prefect_azure_batch.tasks.web_links import is_link, without_query

MOST_HOURS = 24 * 30

# What looks like a link, or like one that was mistyped.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")

# The keys of a pool that are options, too.
_POOL_OPTIONS = {"existing": "pool", "nodes": "nodes", "spot_nodes": "spot", "slots": "slots", "vm_size": "vm-size"}

# On nodes that stay: their disks must not fill up with what a killed run has left.
_RETENTION = timedelta(days=1)

_OF_THE_SHELL = {"PATH", "HOME", "SHELL", "IFS", "PWD", "BASH_ENV", "ENV", "TMPDIR", "PYTHONPATH", "PYTHONHOME"}
_LONGEST_NAME = 60

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.DOTALL)


@contextmanager
def complaining(option: str = "") -> Iterator[None]:
    """Turns ``BadInput`` raised inside into the error that a validator raises, with the option it is about."""
    try:
        yield
    except BadInput as error:
        raise ValueError(f"--{option}: {error}" if option else str(error)) from None


def _as_option(complaint: str) -> str:
    """A complaint about a pool, which names a key, in the words of the command line."""
    key, colon, rest = complaint.partition(":")
    return f"--{_POOL_OPTIONS[key]}{colon}{rest}" if key in _POOL_OPTIONS else complaint


def _shown(name: str) -> str:
    return without_query(name) if is_link(name) else name


# Prefect stores what a flow is called with, and a link may be signed by its query.
InputName = Annotated[str, PlainSerializer(_shown, when_used="json")]
"""What a user calls an input: written as JSON, a link has no query."""


def name_of_run(kind: str, command: str) -> str:
    """A short name of a run for what it does."""
    words = " ".join(command.split()) or "example"
    return f"{kind}: {words[:_LONGEST_NAME]}{'...' if len(words) > _LONGEST_NAME else ''}"


class RunParameters(Asked):
    """What every kind of run on Azure Batch can be asked for."""

    inputs: list[InputName] = Field(default_factory=list)
    command: str = Field(default="")
    app: str | None = Field(
        default=None,
        min_length=1,
        title="Program",
        description="A file or directory to ship to the nodes, or id:version of an application package that exists.",
    )
    outputs: list[str] = Field(
        default_factory=list,
        title="Outputs",
        description=(
            "Patterns of files to keep, relative to the working directory; a task that leaves none has failed, unless "
            "the pattern begins with '?'. Logs are always kept."
        ),
    )
    results: str | None = Field(
        default=None,
        min_length=1,
        title="Results",
        description=(
            "Local directory that takes each task's logs and outputs, or az://container/prefix, where they stay in "
            "storage. Default: results/<run id>."
        ),
    )
    nodes: int | None = Field(
        default=None,
        ge=0,
        le=MOST_NODES,
        title="Nodes",
        description=(
            "Number of dedicated VMs in the pool that is made for the run. Not given: 2, or none beside spot nodes."
        ),
    )
    spot: int | None = Field(
        default=None,
        ge=0,
        le=MOST_NODES,
        title="Spot nodes",
        description="Number of spot VMs besides, which are cheap and may be taken away: then a task starts again.",
    )
    slots: int | None = Field(
        default=None,
        ge=1,
        le=MOST_SLOTS,
        title="Slots",
        description="Tasks that a node runs at a time. Not given: 1.",
    )
    vm_size: str | None = Field(
        default=None,
        min_length=1,
        title="VM size",
        description=f"Azure VM size of the nodes. Not given: {DEFAULT_VM_SIZE}.",
    )
    pool: str | None = Field(
        default=None, min_length=1, title="Pool", description="An existing pool to use instead of making one."
    )
    new_pool: PoolDescription | None = Field(
        default=None,
        title="New pool",
        description="All that a pool can be asked for: docs/pools.md. What is given besides goes before it.",
    )
    pool_block: str | None = Field(
        default=None,
        min_length=1,
        title="Pool block",
        description="Name of an Azure Batch Pool block that says what the pool shall be. What is given besides goes "
        "before it.",
    )
    account: str | None = Field(
        default=None,
        min_length=1,
        title="Account",
        description="Name of an Azure Batch account block. Not given: a local Azure.",
    )
    task_minutes: float | None = Field(
        default=None,
        ge=0.01,
        le=60 * MOST_HOURS,
        title="Task limit",
        description="Longest life of one task, in minutes. Not given: as long as the run may take.",
    )
    hours: float = Field(
        default=24,
        ge=0.01,
        le=MOST_HOURS,
        title="Run limit",
        description="Longest life of the whole run, in hours. Default: 24.",
    )
    lease_minutes: float = Field(
        default=DEFAULT_LEASE.total_seconds() / 60,
        ge=2,  # Batch takes a formula every 30 seconds, and three renewals must fit in
        le=60 * 24,
        title="Lease",
        description="How long the run's VMs and job may outlive a run that is killed, in minutes. Default: 30.",
    )
    keep: float = Field(
        default=7,
        ge=0,
        title="Keep",
        description="Days for which logs and outputs stay in storage, for later runs to take up. 0: not at all.",
    )
    retention: float | None = Field(
        default=None,
        ge=0.25,  # the files of MPI subtasks are fetched from their nodes
        le=24 * 180,  # no task lives longer
        title="Retention",
        description=(
            "Hours for which a node keeps the directory of a task that has ended, at least. Logs and outputs are in "
            "storage then. Not given: a day on a pool that exists, a week on one that is made for the run."
        ),
    )
    work_container: str | None = Field(
        default=None,
        title="Work container",
        description=(
            "Container for logs, outputs and the ledgers by which later runs know what is done. Not given: the one "
            "that the storage block names, batch-work."
        ),
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        json_schema_extra={
            "description": (
                'Environment variables of the tasks: {"NAME": "value"}. Everybody who may read the job can read them.'
            )
        },
        title="Environment",
        description="Environment variables of the tasks, NAME=VALUE. Everybody who may read the job can read them.",
    )
    secret: dict[str, str] = Field(
        default_factory=dict,
        json_schema_extra={
            "description": (
                "Environment variables of the tasks whose values stand in no definition of a task: "
                '{"NAME": "prefect:BLOCK"}, a Prefect Secret block, or '
                '{"NAME": "keyvault:https://VAULT.vault.azure.net/secrets/NAME"}.'
            )
        },
        title="Secrets",
        description=(
            "Environment variables of the tasks whose values stand in no definition of a task: NAME=prefect:BLOCK, a "
            "Prefect Secret block, or NAME=keyvault:https://VAULT.vault.azure.net/secrets/NAME."
        ),
    )
    setup: str | None = Field(
        default=None,
        min_length=1,
        title="Setup",
        description="What prepares each node once, in the directory of the program, such as a compiler's call.",
    )
    teardown: str | None = Field(
        default=None,
        min_length=1,
        title="Teardown",
        description="What runs once on each node that had tasks, when the run ends, before the VMs go.",
    )
    teardown_minutes: float = Field(
        default=DEFAULT_TEARDOWN_LIMIT.total_seconds() / 60,
        ge=0.05,
        le=15,  # Batch gives a release task no more
        json_schema_extra=show_without_default,  # it goes only with a teardown
        title="Teardown limit",
        description="Longest life of the teardown on a node, in minutes. Default: 5.",
    )
    elevated: bool = Field(
        default=False,
        title="Elevated",
        description="Setup, teardown, and the tasks of a map, run as an administrator. Not given: as a usual user.",
    )
    priority: int = Field(
        default=0,
        ge=-1000,
        le=1000,
        title="Priority",
        description="Of the run's job, where several share a pool: tasks of the higher one start first. Default: 0.",
    )
    budget: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        title="Budget",
        description=(
            "USD that the VMs of the run may cost by list prices; it is ended when they have. Not given: any price."
        ),
    )
    region: str | None = Field(
        default=None,
        min_length=1,
        title="Region",
        description=(
            "Azure region whose prices hold, such as westeurope. Not given: that of the account's address, which a "
            "local Azure has not."
        ),
    )
    plan: bool = Field(
        default=False,
        title="Plan",
        description="Shows what would be made, sent and paid, and makes nothing.",
    )
    follow: list[str] = Field(
        default_factory=list,
        title="Follow",
        description=(
            "Tasks whose output is shown while they run, on the terminal and in Prefect's log: inputs, patterns or "
            "task ids; of an MPI run primary, subtask-1 and so on; none for nothing. Not given: in Prefect's log all "
            "of up to 10 tasks, and of more the first few that end and the failures."
        ),
    )
    retries: int = Field(
        default=0, ge=0, le=100, title="Retries", description="How often Batch repeats a task that fails."
    )

    default_nodes: ClassVar[int] = DEFAULT_NODES

    @cached_property
    def pool_description(self) -> PoolDescription:
        """What the pool shall be, all that was said of it put together; without what a pool block says.

        Raises:
            ValidationError: it does not go together.
        """
        given = self.new_pool or PoolDescription()
        options = {
            "existing": self.pool,
            "nodes": self.nodes,
            "spot_nodes": self.spot,
            "slots": self.slots,
            "vm_size": self.vm_size,
        }
        if (options["existing"], given.existing, options["nodes"], given.nodes) == (None,) * 4:
            options["nodes"] = 0 if self.spot or given.spot_nodes else self.default_nodes
        return given.overridden(options)

    @property
    def environment(self) -> tuple[tuple[str, str], ...]:
        """Environment variables of the tasks."""
        return tuple((self.pool_description.environment | self.env).items())

    @property
    def secrets(self) -> tuple[SecretSource, ...]:
        """Where the values of further variables come from."""
        identities = () if self.pool_description.existing else self.pool_description.identities
        identity = identities[0] if len(identities) > 1 else ""
        return tuple(parse_source(name, text, identity) for name, text in self.secret.items())

    @property
    def time_limit(self) -> timedelta:
        """Longest life of the run."""
        return timedelta(hours=self.hours)

    @property
    def lease(self) -> timedelta:
        """How long what the run has made may outlive it."""
        return timedelta(minutes=self.lease_minutes)

    @property
    def terms(self) -> Terms:
        """What the run may cost, and where."""
        return Terms(self.region, self.budget)

    @property
    def teardown_limit(self) -> timedelta:
        """Longest life of the teardown on one node."""
        return timedelta(minutes=self.teardown_minutes)

    @property
    def keep_time(self) -> timedelta:
        """How long logs and outputs stay in storage."""
        return timedelta(days=self.keep)

    @property
    def retention_time(self) -> timedelta | None:
        """How long a node keeps what a task has left there; None for Batch's own time, of a pool that goes before."""
        if self.retention is not None:
            return timedelta(hours=self.retention)
        return _RETENTION if self.pool_description.existing else None

    @property
    def task_limit(self) -> timedelta | None:
        """Longest life of one task; None for no limit of its own."""
        return timedelta(minutes=self.task_minutes) if self.task_minutes else None

    @property
    def results_place(self) -> Place | None:
        """Where in storage logs and outputs stay; None if they are downloaded."""
        if not self.results or not self.results.startswith(BLOB_SCHEME):
            return None
        place = Place.parse(self.results)
        return Place(place.container, place.folder.strip("/"))

    def place_of(self, run_id: str) -> Place | None:
        """Where in storage the logs and outputs of one run stay."""
        return self.results_place / run_id if self.results_place else None

    def results_of(self, run_id: str) -> Path | Place:
        """Where the run's logs and outputs are collected."""
        return self.results_place or Path(self.results or f"results/{run_id}").absolute()

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """What is shown of it: links without their queries."""
        for name, value in super().__repr_args__():
            yield name, [_shown(each) for each in value] if name in ("inputs", "common") else value

    @model_validator(mode="after")
    def _pool_can_be(self) -> Self:
        if self.pool_block and (self.new_pool or self.pool):
            raise ValueError("--pool-block: it says what --pool and --pool-file say: give one of them")
        if self.pool and self.new_pool and self.new_pool.existing not in (None, self.pool):
            raise ValueError(f"--pool: the pool file says {self.new_pool.existing!r}: leave one of them out")
        if self.pool_block is None:
            try:
                description = self.pool_description
            except ValidationError as error:
                raise ValueError(_as_option(first_complaint(error))) from None
            if self.budget and description.existing:
                raise ValueError("--budget: the VMs of the pool are paid with or without this run: leave it out")
            self.check_pool_fits(description)
        return self

    def check_pool_fits(self, description: PoolDescription) -> None:
        """Refuses a pool that such a run cannot use.

        Raises:
            ValueError: says why.
        """

    @field_validator("region")
    @classmethod
    def _region_is_a_word(cls, region: str | None) -> str | None:
        """As ``westeurope``, also if it is written as people see it, West Europe."""
        return region.replace(" ", "").lower() if region else None

    @field_validator("work_container")
    @classmethod
    def _work_container_has_a_name(cls, name: str | None) -> str | None:
        return check_container_name(name) if name else None

    @field_validator("results")
    @classmethod
    def _results_in_storage_have_a_container(cls, results: str | None) -> str | None:
        if results and _SCHEME.match(results) and not results.startswith(BLOB_SCHEME):
            raise ValueError(
                f"{results!r} is neither az://container/prefix nor a local directory (one may be ./{results})"
            )
        if results and results.startswith(BLOB_SCHEME):
            place = Place.parse(results)
            folder = check_container_name(place.container) and place.folder
            if any(part in ("", ".", "..") for part in folder.strip("/").split("/")) and folder.strip("/"):
                raise ValueError(f"{folder!r} is no prefix: a part of it is empty, '.' or '..'")
        return results

    @field_validator("follow")
    @classmethod
    def _follow_names_something(cls, patterns: list[str]) -> list[str]:
        if "" in patterns:
            raise ValueError("it is empty: name an input, a pattern or a task id, or leave it out")
        return patterns

    @field_validator("env", "secret", mode="before")
    @classmethod
    def _variables_may_be_words(cls, env: object) -> object:
        if not isinstance(env, list):
            return env
        if wrong := next((word for word in env if not _VARIABLE.fullmatch(word)), None):
            name = wrong.partition("=")[0]  # what follows may be a secret
            raise ValueError(f"{name!r} is no variable: write NAME=VALUE, the name of letters, digits and '_'")
        names = [word.partition("=")[0] for word in env]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"{twice!r} is given twice: leave one out")
        return dict(word.split("=", 1) for word in env)

    @field_validator("env")
    @classmethod
    def _variables_can_be(cls, env: dict[str, str]) -> dict[str, str]:
        return check_variables(env)

    @field_validator("secret")
    @classmethod
    def _secrets_can_be(cls, secret: dict[str, str]) -> dict[str, str]:
        for name, text in check_variables(secret).items():
            if name in _OF_THE_SHELL or name.startswith("LD_"):
                raise ValueError(f"{name!r} is a variable that shells and programs start by: take another name")
            with complaining():
                parse_source(name, text)
        return secret

    @model_validator(mode="after")
    def _teardown_has_a_command(self) -> Self:
        if self.teardown is None and "teardown_minutes" in self.model_fields_set:
            raise ValueError("--teardown-minutes: it is for --teardown, which is missing")
        return self

    @model_validator(mode="after")
    def _variables_come_from_one_place(self) -> Self:
        if twice := self.secret.keys() & self.env.keys():
            raise ValueError(f"--secret: {min(twice)!r} stands in --env, too: leave it out of one")
        return self

    @field_validator("outputs")
    @classmethod
    def _outputs_stay_below(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            with complaining():
                parse_pattern(pattern)
        return patterns
