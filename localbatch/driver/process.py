"""The driver that runs the work: a node is a directory tree and an address, a task is a process of this machine."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from localbatch.driver.command import split_command
from localbatch.driver.downloads import Downloader
from localbatch.driver.environment import command_environment
from localbatch.driver.failures import (
    CommandFailed,
    command_line_failure,
    directory_failure,
    exit_code_failure,
    launch_failure,
    node_lost_failure,
    time_limit_failure,
)
from localbatch.driver.interface import Failure, NodePlace, Outcome, Package, Run
from localbatch.driver.layout import TaskDirectory, hosts_file, make_node, remove_tree
from localbatch.driver.output_files import upload_output_files
from localbatch.driver.packages import NodePackages
from localbatch.driver.resource_files import fetch_resource_files
from localbatch.driver.starter import LaunchError, RunningCommand, Starter
from localbatch.driver.supervisor import Order
from localbatch.driver.threads import Threads

_THREADS = 32
_THREADS_FOR_ONE = 8
_SHELL_SIGNAL_BASE = 128

_log = logging.getLogger(__name__)


@dataclass
class _Node:
    """What the driver keeps about a node while the service runs."""

    packages: NodePackages
    runs: set[asyncio.Task[Outcome]] = field(default_factory=set)
    removed: bool = False

    async def end_runs(self) -> None:
        """Ends all commands of the node."""
        self.removed = True
        for run in self.runs:
            run.cancel()
        if self.runs:
            await asyncio.wait(self.runs)


class ProcessDriver:
    """Runs commands as processes of this machine.

    Args:
        grace: seconds a command has between SIGTERM and SIGKILL.
        isolate: let each command see its node's own host name and address, where the kernel allows it.
        inherited: file descriptors kept open until the last command has ended, such as that of a lock.
    """

    def __init__(self, *, grace: float = 1.0, isolate: bool = True, inherited: tuple[int, ...] = ()) -> None:
        self._grace = grace
        self._isolate = isolate
        self._threads = Threads(_THREADS, _THREADS_FOR_ONE)
        self._downloader = Downloader(_THREADS)
        self._starter = Starter(inherited)
        self._nodes: dict[Path, _Node] = {}

    async def create_node(self, node: NodePlace, packages: tuple[Package, ...]) -> Failure | None:
        """Makes the node's directory tree and unpacks the pool's application packages."""
        try:
            await self._threads.call(make_node, node)
            await self._node(node).packages.install_for_all(packages)
        except OSError as error:
            return directory_failure(str(error))
        except CommandFailed as error:
            return error.failure
        return None

    async def execute(self, run: Run, on_started: Callable[[], None]) -> Outcome:
        """Runs one command from resource files to output files.

        Cancelling the awaiting task ends the command and all its descendants first.

        Args:
            run: the command.
            on_started: called once the command's process has been started.
        """
        started = datetime.now(UTC)
        node = self._node(run.node)
        work = asyncio.ensure_future(self._execute(run, node, started, on_started))
        node.runs.add(work)
        work.add_done_callback(node.runs.discard)
        try:
            return await work
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
        return Outcome(started, datetime.now(UTC), None, node_lost_failure())

    async def clear_directory(self, node: NodePlace, directory: str) -> None:
        """Removes a task directory."""
        await self._threads.call(remove_tree, TaskDirectory.of(node, directory).path)

    async def remove_node(self, node: NodePlace) -> None:
        """Ends every process of the node and removes its directory tree."""
        known = self._nodes.pop(node.root, None)
        if known is not None:
            await known.end_runs()
        await self._threads.call(remove_tree, node.root)

    async def close(self) -> None:
        """Ends every process of every node."""
        await asyncio.gather(*(node.end_runs() for node in self._nodes.values()))
        self._nodes.clear()
        self._starter.close()
        self._threads.close()
        self._downloader.close()

    def _node(self, node: NodePlace) -> _Node:
        if node.root not in self._nodes:
            self._nodes[node.root] = _Node(NodePackages(node.root, self._downloader, self._threads))
        return self._nodes[node.root]

    async def _execute(self, run: Run, node: _Node, started: datetime, on_started: Callable[[], None]) -> Outcome:
        loop = asyncio.get_running_loop()
        deadline = None if run.time_limit is None else loop.time() + run.time_limit.total_seconds()
        code: int | None = None
        failure: Failure | None = None
        try:
            directory = await self._prepare(run)
            environment = await self._environment(run, node, directory)
            async with _time_limit(deadline):
                await fetch_resource_files(run.resource_files, directory.working, self._downloader, self._threads)
            command = await self._start(run, directory, environment)
            on_started()
            code, failure = await _follow(command, deadline)
            await upload_output_files(
                run.output_files, directory, environment, self._threads, succeeded=failure is None
            )
        except CommandFailed as error:
            # The program's own failure is worth more than that of an upload after it.
            failure = failure or error.failure
        return Outcome(started, datetime.now(UTC), code, failure)

    async def _prepare(self, run: Run) -> TaskDirectory:
        try:
            directory = TaskDirectory.of(run.node, run.directory)
            await self._threads.call(directory.prepare, keep=run.keep_directory)
        except (OSError, ValueError) as error:
            raise CommandFailed(directory_failure(str(error))) from error
        return directory

    async def _environment(self, run: Run, node: _Node, directory: TaskDirectory) -> dict[str, str]:
        packages = await node.packages.install(run.packages)
        return command_environment(run.node, directory, packages, run.environment, run.variables)

    async def _start(self, run: Run, directory: TaskDirectory, environment: dict[str, str]) -> RunningCommand:
        try:
            order: Order = {
                "words": split_command(run.command_line),
                "environment": environment,
                "directory": str(directory.working),
                "stdout": str(directory.stdout),
                "stderr": str(directory.stderr),
                "hostname": run.node.hostname,
                "hosts": str(hosts_file(run.node)) if self._isolate else "",
                "grace": self._grace,
            }
            command = self._starter.start(order)
            report = await command.start()
        except ValueError as error:
            raise CommandFailed(command_line_failure(str(error))) from error
        except LaunchError as error:
            raise CommandFailed(launch_failure(error.number, str(error))) from error
        except OSError as error:  # out of descriptors or of processes
            raise CommandFailed(command_line_failure(str(error))) from error
        if "plain" in report:
            _log.debug("Process %d sees the machine's own name: %s", report["pid"], report["plain"])
        return command


@asynccontextmanager
async def _time_limit(deadline: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise CommandFailed(time_limit_failure()) from error


async def _follow(command: RunningCommand, deadline: float | None) -> tuple[int | None, Failure | None]:
    try:
        async with asyncio.timeout_at(deadline):
            code = await command.wait()
    except TimeoutError:
        await command.end()
        return None, time_limit_failure()
    except asyncio.CancelledError:
        await command.end()
        raise
    # As a shell reports a program ended by a signal; what Batch reports is not known.
    code = _SHELL_SIGNAL_BASE - code if code < 0 else code
    return code, exit_code_failure() if code else None
