"""The driver that runs the work: a node is a directory tree and an address, a task is a process of this machine."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from localbatch.driver.containers import Containers
from localbatch.driver.downloads import Downloader
from localbatch.driver.exchange import Exchange
from localbatch.driver.failures import (
    CommandFailed,
    directory_failure,
    exit_code_failure,
    node_lost_failure,
    time_limit_failure,
)
from localbatch.driver.image import NodeImage
from localbatch.driver.interface import Failure, Mount, MultiInstanceRun, NodePlace, Outcome, Package, Run, Usage
from localbatch.driver.layout import TaskDirectory, make_node
from localbatch.driver.mounts import MountedDirectory
from localbatch.driver.multi_instance import MultiInstance
from localbatch.driver.packages import NodePackages
from localbatch.driver.prepared import PreparedCommand, start
from localbatch.driver.process_tree import exit_code
from localbatch.driver.starter import Session, Starter
from localbatch.driver.threads import Threads
from localbatch.driver.tools import NodeTools
from localbatch.store.removal import remove_tree

_THREADS = 32
_THREADS_FOR_ONE = 8

_log = logging.getLogger(__name__)


@dataclass
class _Node:
    """What the driver keeps about a node while the service runs."""

    packages: NodePackages
    mounts: list[MountedDirectory] = field(default_factory=list)
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
        image: what is installed on all nodes.
    """

    def __init__(
        self,
        *,
        grace: float = 1.0,
        isolate: bool = True,
        inherited: tuple[int, ...] = (),
        image: NodeImage | None = None,
    ) -> None:
        image = image or NodeImage()
        self._threads = Threads(_THREADS, _THREADS_FOR_ONE)
        self._downloader = Downloader(_THREADS)
        self._exchange = Exchange()
        self._starter = Starter(inherited)
        self._nodes: dict[Path, _Node] = {}
        self._containers = Containers(self._starter, self._threads, image, grace)
        self._tools = NodeTools(
            self._packages,
            self._downloader,
            self._exchange,
            self._threads,
            self._starter,
            image,
            isolate=isolate,
            grace=grace,
        )

    async def create_node(
        self, node: NodePlace, packages: tuple[Package, ...], mounts: tuple[Mount, ...] = ()
    ) -> Failure | None:
        """Makes the node's directory tree, unpacks the pool's application packages and mounts its file systems."""
        self._starter.forget_node(node.root)
        try:
            await self._threads.finish(make_node, node)
            self._node(node).mounts = [MountedDirectory(node.root, mount) for mount in mounts]
            for mounted in self._node(node).mounts:
                await self._threads.finish(mounted.set_up)
            await self._node(node).packages.install_for_all(packages)
            await self._containers.prepare_node(node)
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
        return await self._track([run.node], self._mounted([run.node], partial(self._execute, run, on_started)))

    async def execute_together(
        self, run: MultiInstanceRun, on_subtask: Callable[[int, Outcome | None], None]
    ) -> Outcome:
        """Runs one task on several nodes.

        Cancelling the awaiting task ends all its processes on all nodes first.

        Args:
            run: the task.
            on_subtask: told when a subtask starts and ends.
        """
        work = MultiInstance(self._tools, run, on_subtask)
        places = [each.node for each in run.runs]
        return await self._track(places, self._mounted(places, work.execute))

    async def clear_directory(self, node: NodePlace, directory: str) -> None:
        """Removes a task directory."""
        await self._threads.finish(remove_tree, TaskDirectory.of(node, directory).path)

    async def remove_node(self, node: NodePlace) -> None:
        """Ends every process of the node and removes its directory tree."""
        known = self._nodes.pop(node.root, None)
        if known is not None:
            await known.end_runs()
        self._starter.forget_node(node.root)
        await self._threads.finish(remove_tree, node.root)

    async def close(self) -> None:
        """Ends every process of every node."""
        await asyncio.gather(*(node.end_runs() for node in self._nodes.values()))
        self._nodes.clear()
        await self._containers.close()
        self._starter.close()
        self._threads.close()
        self._exchange.close()
        self._downloader.close()

    def _node(self, node: NodePlace) -> _Node:
        if node.root not in self._nodes:
            self._nodes[node.root] = _Node(NodePackages(node.root, self._downloader, self._threads))
        return self._nodes[node.root]

    def _packages(self, node: NodePlace) -> NodePackages:
        return self._node(node).packages

    async def _mounted(self, places: Sequence[NodePlace], execute: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """Carries out an execution between what others have written into mounted file systems and what it writes."""
        mounts = [mounted for place in places for mounted in self._node(place).mounts]
        started = datetime.now(UTC)
        try:
            for mounted in mounts:
                await self._threads.finish(mounted.pull)
        except CommandFailed as error:
            return Outcome(started, datetime.now(UTC), None, error.failure)
        try:
            outcome = await execute()
        finally:
            failure = await self._push(mounts)
        return outcome if failure is None or outcome.failure else replace(outcome, failure=failure)

    async def _push(self, mounts: Iterable[MountedDirectory]) -> Failure | None:
        failures = []
        for mounted in mounts:
            try:
                await self._threads.finish(mounted.push)
            except CommandFailed as error:
                failures.append(error.failure)
        return failures[0] if failures else None

    async def _track(self, places: Iterable[NodePlace], execution: Coroutine[None, None, Outcome]) -> Outcome:
        """Carries out an execution that ends when one of its nodes is removed."""
        started = datetime.now(UTC)
        work = asyncio.ensure_future(execution)
        for place in places:
            node = self._node(place)
            node.runs.add(work)
            work.add_done_callback(node.runs.discard)
        try:
            return await work
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise
        return Outcome(started, datetime.now(UTC), None, node_lost_failure())

    async def _execute(self, run: Run, on_started: Callable[[], None]) -> Outcome:
        loop = asyncio.get_running_loop()
        started = datetime.now(UTC)
        deadline = None if run.time_limit is None else loop.time() + run.time_limit.total_seconds()
        container_id: str | None = None
        code: int | None = None
        failure: Failure | None = None
        usage = Usage()
        try:
            command = await self._tools.prepare(run)
            async with _time_limit(deadline):
                await self._tools.fetch(run.resource_files, command.directory.working)
            if run.container is None:
                code, failure, usage = await self._run_process(run, command, deadline, on_started)
            else:
                async with _time_limit(deadline):
                    end = await self._containers.run(run, command, on_started)
                container_id, code, usage = end.id, end.code, end.usage
                failure = exit_code_failure() if code else None
            await self._tools.upload(run, command, succeeded=failure is None)
        except CommandFailed as error:
            # The program's own failure is worth more than that of an upload after it.
            failure = failure or error.failure
        return Outcome(started, datetime.now(UTC), code, failure, container_id, usage)

    async def _run_process(
        self, run: Run, command: PreparedCommand, deadline: float | None, on_started: Callable[[], None]
    ) -> tuple[int | None, Failure | None, Usage]:
        order = command.order(run.command_line)
        session = self._tools.open(command)
        report = await start(session, order)
        if "plain" in report:
            _log.debug("Process %d sees the machine's own name: %s", report["pid"], report["plain"])
        on_started()
        return *await _follow(session, deadline), session.usage


@asynccontextmanager
async def _time_limit(deadline: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError as error:
        raise CommandFailed(time_limit_failure()) from error


async def _follow(session: Session, deadline: float | None) -> tuple[int | None, Failure | None]:
    try:
        async with asyncio.timeout_at(deadline):
            code = exit_code(await session.wait())
    except TimeoutError:
        await session.end()
        return None, time_limit_failure()
    except asyncio.CancelledError:
        await session.end()
        raise
    return code, exit_code_failure() if code else None
