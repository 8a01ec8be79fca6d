"""What passes between stages: small, frozen, free of secrets.

Links with signatures are made where they are used, by the stage that submits tasks, so no record ever carries one.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.command import Template
from prefect_azure_batch.tasks.launcher import Launch
from prefect_azure_batch.tasks.secret_sources import SecretSource

NO_WORK = "_runs"
"""Folder in it of the runs that belong to no work, such as those of flows of one's own."""
DEFAULT_LEASE = timedelta(minutes=30)
"""How long what a run has made may outlive it."""
DEFAULT_TEARDOWN_LIMIT = timedelta(minutes=5)


BLOB_SCHEME = "az://"


@dataclass(frozen=True)
class Place:
    """A folder in storage, written ``az://container/folder``."""

    container: str
    folder: str

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Reads what is written ``az://container/folder``."""
        container, _, folder = text.removeprefix(BLOB_SCHEME).partition("/")
        return cls(container, folder)

    def __truediv__(self, name: str) -> "Place":
        """A folder or file below it."""
        return Place(self.container, f"{self.folder}/{name}".lstrip("/"))

    def __str__(self) -> str:
        """As inputs are named."""
        return f"{BLOB_SCHEME}{self.container}/{self.folder}"


Values: TypeAlias = tuple[tuple[str, str], ...]
"""Names and values of the parameters of one input."""


@dataclass(frozen=True)
class InputItem:
    """One input of a map run.

    Attributes:
        index: position among the run's inputs, from 0.
        label: what the user would call it: its path, ``az://container/blob``, or a link without its query.
        name: its file name in the task's working directory.
        path: the local file, or None for a blob.
        container: container of a blob, or None for what is none.
        blob: name of a blob, or None for what is none.
        etag: version of a blob; empty for what is none.
        url: a link of the web, or None; it may be signed, so nobody is shown it.
        place: where it lies in the task's working directory, if that is not its name.
        members: the inputs of which it is a group; it is no file itself then.
        version: what names its content, as ``tasks.identity`` finds it; empty before.
        stamp: time of change and size of a local file when that was found.
        twin: how many inputs before it have the same name and content.
        values: of its parameters. Where it has neither file nor blob they are all that it is.
    """

    index: int
    label: str
    name: str
    path: Path | None = None
    container: str | None = None
    blob: str | None = None
    etag: str = ""
    version: str = ""
    stamp: tuple[int, int] | None = None
    twin: int = 0
    values: Values = ()
    url: str | None = field(default=None, repr=False)
    place: str = ""
    members: "tuple[InputItem, ...]" = ()

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and not values alone or a group."""
        return self.path is not None or self.blob is not None or self.url is not None


@dataclass(frozen=True)
class StoredInput:
    """An input that lies in a blob or behind a link, or is values alone.

    ``version`` names its content: a digest, or a blob's ETag. ``twin`` counts the inputs before it that have the same
    name and content. ``url`` is a link of the web, in the place of container and blob. ``place`` is where it lies in
    the task's working directory, if that is not its name; ``members`` are the inputs of which it is a group.
    """

    index: int
    label: str
    name: str
    container: str
    blob: str
    version: str
    sent_bytes: int = 0
    twin: int = 0
    values: Values = ()
    url: str | None = field(default=None, repr=False)
    place: str = ""
    members: "tuple[StoredInput, ...]" = ()

    @property
    def is_file(self) -> bool:
        """Whether it is a file, and not values alone or a group."""
        return bool(self.blob) or self.url is not None


@dataclass(frozen=True)
class Program:
    """A program as the tasks of a job find it.

    Attributes:
        digest: names the program's content; part of every task's id.
        variable: environment variable that holds its directory on the node.
        container: container of the archive that the job's preparation task unpacks; None for a package.
        blob: the archive.
        package: ``(id, version)`` of an application package, or None.
    """

    digest: str
    variable: str
    container: str | None = None
    blob: str | None = None
    package: tuple[str, str] | None = None


@dataclass(frozen=True)
class Run:
    """A run in Azure as its stages hand it on: what it is made of there.

    Attributes:
        run_id: names the run; it stands in the metadata of all that is made for it.
        job_id: its job.
        pool_id: the pool that the job's tasks run on.
        container: of works, in which it has a folder.
        program: what its commands mean by ``{app}``; None for no program.
        time_limit: how long it may take.
        folder: where in the container its record, its ledger and its manifest lie.
        results: takes the logs and outputs of its tasks; None: that folder, too.
        ends: when the service ends its job at the latest, and how long links live; None if nobody knows.
        identity: resource id of the identity by which its nodes reach storage; None for links.
    """

    run_id: str
    job_id: str
    pool_id: str
    container: str
    program: Program | None = None
    time_limit: timedelta = timedelta(hours=24)
    folder: str = ""
    results: Place | None = None
    ends: datetime | None = None
    identity: str | None = None

    @property
    def outputs(self) -> Place:
        """Takes the logs and outputs of its tasks."""
        return self.results or Place(self.container, self.folder)

    def script(self, template: Template) -> str:
        """The shell script that a command is on the nodes of this run.

        Raises:
            BadInput: the command uses ``{app}`` and there is no program.
        """
        return template.script(self.program.variable if self.program else None)


@dataclass(frozen=True)
class PoolPlan:
    """A pool to be created.

    Attributes:
        description: what it shall be.
        packages: ``(id, version)`` of application packages that its nodes get besides those of the description.
        instances: how many of its nodes a multi-instance task takes at once, for which they can talk to each other and
            have one slot; None for a pool of tasks of one node each.
        lease: how long the pool keeps its nodes unless that is put off, as ``tasks.lease`` does; None for a pool that
            keeps them until somebody deletes it.
        tasks: how many tasks it is made for, by which one that follows its tasks begins; None if nobody knows.
        required_slots: of each of them.
        time_limit: how long the links of its start task live.
    """

    pool_id: str
    description: PoolDescription
    packages: tuple[tuple[str, str], ...] = ()
    run_id: str = ""
    instances: int | None = None
    lease: timedelta | None = None
    tasks: int | None = None
    required_slots: int = 1
    time_limit: timedelta = timedelta(hours=24)

    @property
    def inter_node(self) -> bool:
        """Whether nodes can talk to each other."""
        return self.instances is not None

    @property
    def tasks_of_node(self) -> int:
        """How many of the tasks a node runs at a time."""
        return max(1, self.description.slots // self.required_slots)


@dataclass(frozen=True)
class ContainerPlan:
    """The container that tasks run in.

    Attributes:
        image: its image; it has /bin/bash.
        run_options: further options of ``docker run``.
    """

    image: str
    run_options: str = ""


@dataclass(frozen=True)
class JobPlan:
    """A job to be created.

    Attributes:
        container: of works.
        folder: ``<work>/<run id>`` in that container; not given: one that belongs to no work.
        results: takes the logs and outputs of its tasks; None: that folder, too.
        time_limit: longest life of the job; the service ends it then, whatever became of us.
        task_retries: how often the service repeats a task that exits with another code than 0.
        setup: command for ``/bin/bash`` that prepares each node before its first task, in the directory of the program
            that is shipped, which it may call ``{app}``; it ends at its first command that fails. None for no setup.
        setup_limit: longest life of that on one node, or None.
        lease: how long the job may take unless that is put off, as ``tasks.lease`` does; None for its time limit alone.
        priority: -1000 to 1000; where jobs share a pool, tasks of the higher one start first.
        elevated: the setup runs as an administrator.
        identity: resource id of the identity by which its nodes reach storage; None for links.
        stop_on: exit codes of tasks that end the job.
        teardown: command for ``/bin/bash`` that runs once on each node that tasks ran on, when the job ends; it may
            call the program's directory ``{app}``. None for no teardown.
        teardown_limit: longest life of that on one node.
        secrets: what its tasks have in variables, and the run in blobs while it lasts.
        dependencies: its tasks may wait for others of them.
    """

    job_id: str
    pool_id: str
    run_id: str
    program: Program | None = None
    time_limit: timedelta = timedelta(hours=24)
    task_retries: int = 0
    setup: str | None = None
    setup_limit: timedelta | None = None
    container: str = WORK_CONTAINER
    folder: str = ""
    lease: timedelta | None = None
    results: Place | None = None
    priority: int = 0
    elevated: bool = False
    identity: str | None = None
    stop_on: tuple[int, ...] = ()
    teardown: str | None = None
    teardown_limit: timedelta = DEFAULT_TEARDOWN_LIMIT
    secrets: tuple[SecretSource, ...] = ()
    dependencies: bool = False


@dataclass(frozen=True)
class TaskPlan:
    """What every task of a map job has in common.

    Attributes:
        command: what runs for one input, with placeholders such as ``{input}``.
        outputs: patterns of files to keep, relative to the working directory.
        time_limit: longest life of one task, or None.
        retry_on: exit codes with which a task is tried again, on its node; none for those of the job's retries.
        retries: how often.
        succeed_on: exit codes that count as success, besides 0.
        stop_on: exit codes that end the job, whose plan says so, too.
        secrets: what tasks have in variables besides; the run has been opened with them.
        retention: how long a task's directory stays on its node when it has ended; None for as long as Batch likes.
        environment: names and values of environment variables. They can be read by all who may read the job.
        container: what tasks run in; None for the node itself.
        required_slots: slots that a task takes of its node's.
        elevated: tasks run as an administrator.
        setup: what prepares each node for them, as the job's plan says.
        parameters: names of the values that each input has, which are placeholders of the command.
        common: files that each task has in its working directory besides its input.
        grouped: each task has several inputs.
    """

    command: str
    outputs: tuple[str, ...] = ()
    time_limit: timedelta | None = None
    retry_on: tuple[int, ...] = ()
    retries: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    container: ContainerPlan | None = None
    required_slots: int = 1
    elevated: bool = False
    setup: str | None = None
    parameters: tuple[str, ...] = ()
    common: tuple[StoredInput, ...] = ()
    grouped: bool = False
    succeed_on: tuple[int, ...] = ()
    stop_on: tuple[int, ...] = ()
    retention: timedelta | None = None
    secrets: tuple[SecretSource, ...] = ()


@dataclass(frozen=True)
class MultiInstancePlan:
    """A task that runs on several nodes at once, such as an MPI program.

    Attributes:
        command: what each rank runs, with placeholders such as ``{app}``; or, where it is a whole line, what runs on
            one of the nodes, the primary, and starts the work on all of them. Its exit code is the task's.
        launch: how many nodes there are, and how ranks are started on them.
        whole_line: the command starts its ranks itself, with the launcher in it.
        coordination: what runs on every node before that.
        outputs: patterns of files to keep, relative to the directory that the ranks share on a node.
        time_limit: longest life of the task, or None.
        retries: how often the job has it repeated.
        environment: names and values of environment variables, of all its nodes.
        secrets: what its ranks have in variables besides; the run has been opened with them.
        retention: how long its directories stay on their nodes when it has ended; None for as long as Batch likes.
    """

    command: str
    launch: Launch
    whole_line: bool = False
    coordination: str = "true"
    outputs: tuple[str, ...] = ()
    time_limit: timedelta | None = None
    retries: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    retention: timedelta | None = None
    secrets: tuple[SecretSource, ...] = ()


@dataclass(frozen=True)
class AddedTask:
    """A Batch task that exists, and the input it was made for. ``folder`` holds its blobs in the output container."""

    index: int
    label: str
    task_id: str
    folder: str


@dataclass(frozen=True)
class TaskEnd:
    """How a Batch task ended.

    Attributes:
        exit_code: of its process; None if none ran to its end.
        failure: what the service says of the failure; empty for none.
        node_id: where it ran; empty if it never did.
        started: for the last time.
        retries: how often Batch has repeated it.
        created: when it was added to its job.
        requeues: how often it has lost its node and waited for another.
    """

    succeeded: bool
    exit_code: int | None
    failure: str
    node_id: str
    started: datetime | None
    ended: datetime | None
    retries: int = 0
    created: datetime | None = None
    requeues: int = 0


@dataclass(frozen=True)
class SeenTask:
    """A Batch task as it was last seen.

    Attributes:
        is_running: whether its program runs, or will as soon as its node is prepared.
        node_id: where; empty if it is nowhere.
        started: when its present attempt began; None if it has not yet.
        end: how it ended; None if it has not.
    """

    is_running: bool
    node_id: str
    started: datetime | None
    end: TaskEnd | None = None

    @property
    def attempt(self) -> tuple[str, datetime | None]:
        """What tells an attempt from the one before: Batch runs a task again that failed, or whose node is gone."""
        return self.node_id, self.started


@dataclass(frozen=True)
class EndedTask(AddedTask):
    """A Batch task that has ended, and how."""

    end: TaskEnd


@dataclass(frozen=True)
class Subtask:
    """One instance of a multi-instance task, other than the primary.

    Attributes:
        id: from 1.
        state: ``preparing``, ``running`` or ``completed``.
        exit_code: of its coordination command; None if none ran to its end.
        failure: what the service says of the failure; empty for none.
        directory: its own directory, relative to the node's root, with forward slashes; empty if it never had one.
        started, ended: when it ran; it ends with its task.
    """

    id: int
    node_id: str
    state: str
    exit_code: int | None
    failure: str = ""
    directory: str = ""
    started: datetime | None = None
    ended: datetime | None = None


@dataclass(frozen=True)
class EndedMultiInstanceTask(EndedTask):
    """A multi-instance task that has ended, and its subtasks in the order of their ids.

    ``application_began`` is when all nodes were prepared for its application command; None if nobody can tell.
    """

    subtasks: tuple[Subtask, ...]
    application_began: datetime | None = None


@dataclass(frozen=True)
class KeptFile:
    """A file of a task in storage.

    Attributes:
        name: of its blob, below the task's folder.
        size: bytes.
        md5: MD5 of its content in hexadecimal digits; empty if nobody knows it yet.
    """

    name: str
    size: int
    md5: str = ""


@dataclass(frozen=True)
class Collected:
    """The files of one task on this machine: paths of stdout, stderr (None if there are none) and outputs.

    Attributes:
        kept: all of them as they lie in storage.
        place: where they lie there, if they were left there.
        stderr_end: the last lines of stderr, if it was left there and somebody wants to know.
        exit_code: of the program, where Batch was told another: it counts as success.
    """

    stdout: Path | None
    stderr: Path | None
    outputs: tuple[Path, ...] = ()
    kept: tuple[KeptFile, ...] = ()
    place: Place | None = None
    stderr_end: str = ""
    exit_code: int | None = None


@dataclass(frozen=True)
class CollectedSubtask:
    """The files of one subtask on this machine; ``missing`` says why there are none, and is empty otherwise."""

    id: int
    files: Collected
    missing: str = ""


@dataclass(frozen=True)
class Counts:
    """Tasks of a job by state, as the service counts them."""

    active: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0

    @property
    def completed(self) -> int:
        """Tasks that have ended."""
        return self.succeeded + self.failed


@dataclass(frozen=True)
class Created:
    """What a run has made in Azure and so has to end. None for what it has not made.

    ``folders`` are pairs of a container and the beginning of names of blobs in it.
    """

    job_id: str | None = None
    pool_id: str | None = None
    folders: tuple[tuple[str, str], ...] = field(default=())
