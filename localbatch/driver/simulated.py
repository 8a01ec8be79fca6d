"""The driver that runs nothing, for many thousands of nodes and tasks on one machine."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from localbatch.driver.failures import CommandFailed, exit_code_failure, time_limit_failure
from localbatch.driver.interface import Failure, Mount, MultiInstanceRun, NodePlace, Outcome, Package, Run, Time
from localbatch.driver.simulated_files import Uploader, find
from localbatch.driver.threads import Threads
from localbatch.rules.simulation import Simulation

_THREADS = 16


class SimulatedDriver:
    """Completes tasks as a simulation says, and sends what they leave to storage. It starts no process.

    What prepares or releases a node succeeds at once.

    Args:
        time: by what nodes and tasks take their time.
        simulation: how long they take, how they end and what they leave.
    """

    def __init__(self, time: Time, simulation: Simulation | None = None) -> None:
        self._time, self._simulation = time, simulation or Simulation()
        self._threads = Threads(_THREADS, _THREADS)
        self._uploader = Uploader()

    async def create_node(
        self, node: NodePlace, packages: tuple[Package, ...], mounts: tuple[Mount, ...] = ()
    ) -> Failure | None:
        """Succeeds when the node has started."""
        # Ids of nodes are made by chance, but their addresses follow each other.
        await self._time.sleep(self._simulation.seconds_to_start(node.address))
        return None

    async def execute(self, run: Run, on_started: Callable[[], None]) -> Outcome:
        """Waits for as long as a task takes, or for its time limit if that is shorter."""
        on_started()
        return await self._simulate(run)

    async def execute_together(
        self, run: MultiInstanceRun, on_subtask: Callable[[int, Outcome | None], None]
    ) -> Outcome:
        """Does the same for all nodes at once."""
        subtasks = range(1, len(run.runs))
        for number in subtasks:
            on_subtask(number, None)
        outcome = await self._simulate(run.runs[0])
        for number in subtasks:
            on_subtask(number, outcome)
        return outcome

    async def _simulate(self, run: Run) -> Outcome:
        started = self._time.now()
        if run.task_id is None:
            return Outcome(started, self._time.now(), 0, None)
        fate = self._simulation.fate_of(run.task_id, run.command_line)
        life = timedelta(seconds=self._simulation.seconds_of(run.task_id))
        allowed = life if run.time_limit is None else min(run.time_limit, life)
        await self._time.sleep(allowed.total_seconds())
        in_time = allowed == life
        code = fate.exit_code if in_time else None
        failure = None if code == 0 else exit_code_failure() if in_time else time_limit_failure()
        try:
            await self._upload(run, self._simulation.files_of(fate), succeeded=failure is None)
        except CommandFailed as error:
            # As with a program that has run: its own failure is worth more than that of an upload after it.
            failure = failure or error.failure
        return Outcome(started, self._time.now(), code, failure)

    async def _upload(self, run: Run, left: Mapping[str, str], *, succeeded: bool) -> None:
        files = [found for output in run.output_files for found in find(output, left, succeeded=succeeded)]
        for file in files:
            await self._threads.call(self._uploader.send, file)

    async def clear_directory(self, node: NodePlace, directory: str) -> None:
        """There is nothing to remove."""

    async def remove_node(self, node: NodePlace) -> None:
        """There is nothing to remove."""

    async def close(self) -> None:
        """There is nothing to end but uploads."""
        self._threads.close()
