"""What the engine asks of a node driver, and what it gets back.

The engine decides (which task on which node, retries, states); a driver acts (directories, downloads, processes,
uploads). A driver knows neither the store nor the REST API.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from localbatch.bodies.commands import OutputFile, ResourceFile
from localbatch.bodies.containers import ContainerRegistry, ContainerSettings


@dataclass(frozen=True)
class ContainerHost:
    """What a node has for containers.

    Attributes:
        images: those it fetches before it takes tasks.
        registries: those it may get images from, besides the public ones.
    """

    images: tuple[str, ...] = ()
    registries: tuple[ContainerRegistry, ...] = ()


@dataclass(frozen=True)
class NodePlace:
    """One node of a pool: who it is and where its directory tree lies.

    Attributes:
        address: loopback address of its own, such as ``127.0.0.4``.
        hostname: name of its own within the pool.
        root: directory that holds ``applications fsmounts shared startup volatile workitems``.
        mount: where its commands see that directory, the same for all nodes; None is where it lies.
        containers: what it has for containers; None if its pool is not made for them.
        runs_commands: it can run any; not so a node of Windows.
    """

    account: str
    account_url: str
    pool_id: str
    node_id: str
    address: str
    hostname: str
    is_dedicated: bool
    root: Path
    mount: Path | None = None
    containers: ContainerHost | None = None
    runs_commands: bool = True


@dataclass(frozen=True)
class Mount:
    """A file system on a node.

    Attributes:
        path: where it is mounted, relative to the node's ``fsmounts``.
        link: the container of blobs that it shows, signed; None for an empty directory.
    """

    path: str
    link: str | None = field(repr=False)


@dataclass(frozen=True)
class Package:
    """An active application package; ``archive_url`` is a link the driver can GET the zip from."""

    application_id: str
    version: str
    archive_url: str
    is_default: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a command failed, as ``failureInfo`` says it.

    Attributes:
        category: ``usererror`` or ``servererror``.
        code: a code of the service, such as ``FailureExitCode`` or ``BlobNotFound``.
    """

    category: str
    code: str
    message: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Usage:
    """What a run of a command has used, all its processes together; disk is what went to and came from devices."""

    user_seconds: float = 0.0
    kernel_seconds: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        """Adds what was used elsewhere."""
        return Usage(*(sum(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)))


@dataclass(frozen=True)
class Outcome:
    """The end of one run of a command.

    Attributes:
        exit_code: None if no process was started or it was ended from outside.
        container_id: of the container in which it ran, if it did.
        usage: what it has used, as far as that was measured.
    """

    started: datetime
    ended: datetime
    exit_code: int | None
    failure: Failure | None
    container_id: str | None = None
    usage: Usage = Usage()


@dataclass(frozen=True)
class Run:
    """One command to be run on one node, with all it needs.

    Attributes:
        directory: the task directory relative to the node's root, such as ``workitems/job/job-1/task`` or ``startup``.
        environment: the user's variables (the job's, then the task's); ``AZ_BATCH_*`` are the driver's to add.
        variables: further ``AZ_BATCH_*`` variables the engine knows (``AZ_BATCH_JOB_ID``, ``AZ_BATCH_TASK_ID``, ...).
        time_limit: longest life of the process; None is no limit.
        keep_directory: True on a retry, which finds the files of the run before.
        container: the container to run it in; None is none.
        task_id: of the task that it is; None for what prepares or releases a node.
    """

    node: NodePlace
    directory: str
    command_line: str
    environment: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    resource_files: tuple[ResourceFile, ...] = ()
    output_files: tuple[OutputFile, ...] = ()
    packages: tuple[Package, ...] = ()
    time_limit: timedelta | None = None
    keep_directory: bool = False
    container: ContainerSettings | None = None
    task_id: str | None = None


@dataclass(frozen=True)
class MultiInstanceRun:
    """One task on several nodes at once.

    Attributes:
        runs: one for each node, the primary first. The primary's holds the application command, resource files and
            output files; of the others nothing but node, directory, environment, variables and packages is looked at.
        coordination_command_line: run on all nodes before the application command.
        common_files: put into the task's directory, one above the working directory, on all nodes.
    """

    runs: tuple[Run, ...]
    coordination_command_line: str
    common_files: tuple[ResourceFile, ...] = ()


class Time(Protocol):
    """The time that goes by for nodes, which may be faster than that of this machine."""

    def now(self) -> datetime:
        """Tells the time."""

    async def sleep(self, seconds: float) -> None:
        """Waits so many of its seconds."""


class Driver(Protocol):
    """A way to have nodes."""

    async def create_node(
        self, node: NodePlace, packages: tuple[Package, ...], mounts: tuple[Mount, ...] = ()
    ) -> Failure | None:
        """Makes the node's directory tree, unpacks the pool's application packages and mounts its file systems."""

    async def execute(self, run: Run, on_started: Callable[[], None]) -> Outcome:
        """Runs one command from resource files to output files.

        Cancelling the awaiting task ends the whole process group first and then lets the cancellation through.

        Args:
            run: the command.
            on_started: called once the command's process has been started.
        """

    async def execute_together(
        self, run: MultiInstanceRun, on_subtask: Callable[[int, Outcome | None], None]
    ) -> Outcome:
        """Runs one task on several nodes, from common files to output files.

        Its outcome is that of the application command, or of the first command that failed on any node. Cancelling the
        awaiting task ends all processes on all nodes first and then lets the cancellation through.

        Args:
            run: the task.
            on_subtask: called with the number of a node's subtask, from 1, and None when its coordination command has
                been started, or its outcome when it has ended.
        """

    async def clear_directory(self, node: NodePlace, directory: str) -> None:
        """Removes a task directory (the end of its retention, or its task was deleted)."""

    async def remove_node(self, node: NodePlace) -> None:
        """Ends every process of the node and removes its directory tree."""

    async def close(self) -> None:
        """Ends every process of every node."""
