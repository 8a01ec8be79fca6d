"""One task on several nodes: common files and coordination command on all of them, then the application command."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterable
from datetime import UTC, datetime

from localbatch.driver.failures import (
    CommandFailed,
    coordination_failure,
    directory_failure,
    ended_with_task_failure,
    exit_code_failure,
    node_lost_failure,
    time_limit_failure,
)
from localbatch.driver.interface import Failure, MultiInstanceRun, Outcome, Run, Usage
from localbatch.driver.mpi.shims import LaunchDirectory
from localbatch.driver.prepared import PreparedCommand, start
from localbatch.driver.process_tree import exit_code
from localbatch.driver.starter import Session
from localbatch.driver.tools import NodeTools

# Names in the task's directory that belong to Batch; a file cannot take the place of a directory anyway.
_TAKEN = frozenset({"stdout.txt", "stderr.txt"})

OnSubtask = Callable[[int, Outcome | None], None]


class _Instance:
    """The task's share of one node."""

    def __init__(self, run: Run, number: int) -> None:
        self.run, self.number = run, number
        self.started: datetime | None = None
        self.code: int | None = None
        self.failure: Failure | None = None
        self.command: PreparedCommand | None = None
        self.session: Session | None = None

    def outcome(self, now: datetime) -> Outcome:
        """How it ended; what was still at work was ended with the task."""
        failure = self.failure
        if failure is None and self.code is None:
            failure = ended_with_task_failure()
        return Outcome(self.started or now, now, self.code, failure)


class MultiInstance:
    """One run of a task on several nodes.

    Args:
        tools: what prepares nodes and starts commands.
        run: the task.
        on_subtask: told of the start and the end of each subtask.
    """

    def __init__(self, tools: NodeTools, run: MultiInstanceRun, on_subtask: OnSubtask) -> None:
        self._tools, self._run, self._on_subtask = tools, run, on_subtask
        self._instances = [_Instance(each, number) for number, each in enumerate(run.runs)]
        self._primary = self._instances[0]
        node = self._primary.run.node
        parent = node.mount.parent if node.mount else node.root.absolute() / "volatile"
        self._launch = LaunchDirectory(parent / f"launch-{secrets.token_hex(4)}")

    async def execute(self) -> Outcome:
        """Runs the task to its end; nothing of it is left on any node, however it ends."""
        started = datetime.now(UTC)
        code: int | None = None
        failure: Failure | None = None
        try:
            try:
                code = await self._run_all()
                failure = exit_code_failure() if code else None
            except CommandFailed as error:
                failure, code = error.failure, self._failed_code()
            finally:
                await self._end()
            if self._primary.command is not None:
                await self._tools.upload(self._primary.run, self._primary.command, succeeded=failure is None)
        except CommandFailed as error:
            # The program's own failure is worth more than that of an upload after it.
            failure = failure or error.failure
        usage = sum((each.session.usage for each in self._instances if each.session), Usage())
        return Outcome(started, datetime.now(UTC), code, failure, usage=usage)

    def _failed_code(self) -> int | None:
        return next((each.code for each in self._instances if each.code), None)

    async def _run_all(self) -> int:
        limit = self._primary.run.time_limit
        try:
            async with asyncio.timeout(None if limit is None else limit.total_seconds()):
                await _together(self._prepare(each) for each in self._instances)
                await _together(self._coordinate(each) for each in self._instances)
                return await self._run_application()
        except TimeoutError as error:
            raise CommandFailed(time_limit_failure()) from error

    async def _prepare(self, instance: _Instance) -> None:
        command = instance.command = await self._tools.prepare(instance.run, instance.number, self._launch)
        await self._tools.fetch(self._run.common_files, command.directory.path, taken=_TAKEN)
        if instance is self._primary:
            await self._tools.fetch(instance.run.resource_files, command.directory.working)
            try:
                self._launch.make(each.node for each in self._run.runs)
            except OSError as error:
                raise CommandFailed(directory_failure(str(error))) from error

    async def _coordinate(self, instance: _Instance) -> None:
        assert instance.command is not None
        try:
            order = instance.command.order(self._run.coordination_command_line, last=False)
            instance.session = self._tools.open(instance.command, str(self._launch.socket(instance.run.node)))
            await start(instance.session, order)
            instance.started = datetime.now(UTC)
            if instance.number:
                self._on_subtask(instance.number, None)
            code = instance.code = exit_code(await instance.session.wait())
            if code:
                raise CommandFailed(coordination_failure(code, instance.number, instance.run.node.node_id))
        except CommandFailed as error:
            instance.failure = error.failure
            raise

    async def _run_application(self) -> int:
        primary = self._primary
        assert primary.command is not None
        assert primary.session is not None
        await start(primary.session, primary.command.order(primary.run.command_line))
        end = asyncio.ensure_future(primary.session.wait())
        lost = [asyncio.ensure_future(each.session.ended()) for each in self._instances[1:] if each.session]
        try:
            await asyncio.wait([end, *lost], return_when=asyncio.FIRST_COMPLETED)
            if not end.done():
                for instance, loss in zip(self._instances[1:], lost, strict=True):
                    if loss.done():
                        instance.code, instance.failure = None, node_lost_failure()
                raise CommandFailed(node_lost_failure())
            return exit_code(end.result())
        finally:
            for each in (end, *lost):
                each.cancel()

    async def _end(self) -> None:
        """Ends everything on all nodes, and tells how the subtasks ended."""
        try:
            await asyncio.gather(*(each.session.end() for each in self._instances if each.session))
        finally:
            now = datetime.now(UTC)
            for each in self._instances[1:]:
                self._on_subtask(each.number, each.outcome(now))
            self._launch.remove()


async def _together(works: Iterable[Coroutine[None, None, None]]) -> None:
    """Does several things at once; the first that fails ends the others and is what is raised."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()
