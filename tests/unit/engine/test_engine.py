"""The engine over a driver whose commands end when a test says so: who runs where, how often, and nothing is lost."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from localbatch.driver.interface import Failure, Mount, MultiInstanceRun, NodePlace, Outcome, Package, Run
from localbatch.engine.clock import Clock
from localbatch.engine.context import Context
from localbatch.engine.engine import Engine
from localbatch.service.jobs import Jobs
from localbatch.service.pools import Pools
from localbatch.service.tasks import Tasks
from localbatch.store.jobs import JobRecord
from localbatch.store.store import Store
from localbatch.store.tasks import TaskRecord
from localbatch.wire.formats import JsonObject, JsonValue

EXIT = Failure("usererror", "FailureExitCode", "failed")
BROKEN = Failure("servererror", "DiskFull", "no space")
PATIENCE = 10.0


class ToldDriver:
    """Runs commands that end as the test says: at once with 0, or as ``ends`` decides."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.running: dict[str, int] = {}
        self.most_at_once: Counter[str] = Counter()
        self.cancelled: list[str] = []
        self.cleared: list[str] = []
        self.removed: list[str] = []
        self.together: list[list[str]] = []
        self.node_failure: Failure | None = None
        self.ends: Callable[[Run], asyncio.Future[Outcome] | Outcome | Exception] = lambda run: outcome(0)

    async def create_node(
        self, node: NodePlace, packages: tuple[Package, ...], mounts: tuple[Mount, ...] = ()
    ) -> Failure | None:
        return self.node_failure

    async def execute(self, run: Run, on_started: Callable[[], None]) -> Outcome:
        name, node = run.directory.rpartition("/")[2], run.node.node_id
        self.runs[name] += 1
        self.running[node] = self.running.get(node, 0) + 1
        self.most_at_once[node] = max(self.most_at_once[node], self.running[node])
        try:
            await asyncio.sleep(0)
            end = self.ends(run)
            if isinstance(end, Exception):
                raise end
            return end if isinstance(end, Outcome) else await end
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            self.running[node] -= 1

    async def execute_together(
        self, run: MultiInstanceRun, on_subtask: Callable[[int, Outcome | None], None]
    ) -> Outcome:
        self.together.append([each.node.node_id for each in run.runs])
        subtasks = range(1, len(run.runs))
        for number in subtasks:
            on_subtask(number, None)
        try:
            return await self.execute(run.runs[0], lambda: None)
        finally:
            for number in subtasks:
                on_subtask(number, outcome(0))

    async def clear_directory(self, node: NodePlace, directory: str) -> None:
        self.cleared.append(directory)

    async def remove_node(self, node: NodePlace) -> None:
        self.removed.append(node.node_id)

    async def close(self) -> None:
        return


def outcome(code: int | None, failure: Failure | None = None) -> Outcome:
    now = datetime.now(UTC)
    return Outcome(now, now, code, failure)


def never(_run: Run) -> "asyncio.Future[Outcome]":
    return asyncio.get_running_loop().create_future()


def unconditional(_modified: datetime) -> None:
    """The condition of a request that has none."""


async def take_turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Bench:
    """An engine at work."""

    def __init__(self, root: Path, driver: ToldDriver) -> None:
        self.store, self.driver = Store(root / "state.db"), driver
        context = Context(self.store, driver, Clock(), None, root, root / "mnt", allocation_seconds=0, start_seconds=0)
        self.engine = Engine(context)
        self.pools, self.jobs, self.tasks = Pools(self.engine), Jobs(self.engine), Tasks(self.engine)

    def make_pool(self, nodes: int = 1, slots: int = 1, **more: JsonValue) -> None:
        machine: JsonObject = {
            "imageReference": {"virtualMachineImageId": "/images/1"},
            "nodeAgentSKUId": "batch.node.ubuntu 24.04",
        }
        document: JsonObject = {"id": "pool", "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": machine}
        document |= {"targetDedicatedNodes": nodes, "taskSlotsPerNode": slots, **more}
        self.pools.create("a", "http://127.0.0.1", document)

    def make_job(self, job_id: str = "job", **more: JsonValue) -> JobRecord:
        return self.jobs.create("a", "http://127.0.0.1", {"id": job_id, "poolInfo": {"poolId": "pool"}, **more})

    def add(self, count: int, job_id: str = "job", **more: JsonValue) -> None:
        job = self.jobs.get("a", job_id)
        for begin in range(0, count, 100):
            numbers = range(begin, min(begin + 100, count))
            items: list[JsonValue] = [{"id": f"t{number}", "commandLine": "x", **more} for number in numbers]
            self.tasks.add_all(job, {"value": items})

    def task(self, task_id: str = "t0", job_id: str = "job") -> TaskRecord:
        return self.tasks.get(self.jobs.get("a", job_id), task_id)

    def count(self, kind: str, job_id: str = "job") -> int:
        counts = self.store.count_tasks(self.jobs.get("a", job_id).seq)
        return counts[kind].tasks if kind in counts else 0

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110  (the engine has no event for everything a test waits for)
                await asyncio.sleep(0.001)


@asynccontextmanager
async def bench(root: Path, driver: ToldDriver | None = None) -> AsyncIterator[Bench]:
    made = Bench(root, driver or ToldDriver())
    made.engine.start()
    try:
        yield made
    finally:
        await made.engine.stop()
        made.store.close()


async def test_every_task_runs_once_and_no_node_is_overfilled(tmp_path: Path) -> None:
    async with bench(tmp_path) as work:
        work.make_pool(nodes=7, slots=3)
        work.make_job()
        work.add(1000)
        await work.until(lambda: work.count("success") == 1000)
        assert set(work.driver.runs.values()) == {1}
        assert max(work.driver.most_at_once.values()) <= 3
        assert len(work.driver.most_at_once) == 7


async def test_nothing_is_lost_while_a_pool_grows_and_shrinks(tmp_path: Path) -> None:
    async with bench(tmp_path) as work:
        work.make_pool(nodes=4, slots=2)
        work.make_job()
        work.add(600)
        for nodes in (1, 5, 0, 3):
            await work.until(lambda: work.pools.get("a", "pool").allocation == "steady")
            document: JsonObject = {"targetDedicatedNodes": nodes}
            work.pools.resize("a", "pool", document, lambda _modified: None)
        await work.until(lambda: work.count("success") == 600)
        await work.until(lambda: sum(work.store.count_nodes(1).values()) == 3)
        assert work.count("active") == work.count("running") == 0


async def test_a_pool_is_deleted_though_its_nodes_wait_for_tasks_that_never_end(tmp_path: Path) -> None:
    driver = ToldDriver()
    driver.ends = never
    async with bench(tmp_path, driver) as work:
        work.make_pool(nodes=2)
        work.make_job()
        work.add(2)
        await work.until(lambda: work.count("running") == 2)
        document: JsonObject = {"targetDedicatedNodes": 0, "nodeDeallocationOption": "taskcompletion"}
        work.pools.resize("a", "pool", document, lambda _modified: None)
        await work.until(lambda: not work.engine.context.fleet.with_room(1))
        work.pools.delete("a", "pool", lambda _modified: None)
        await work.until(lambda: work.store.find_pool("a", "pool") is None)
        assert (work.store.count_nodes(1), work.engine.context.fleet.nodes(1)) == ({}, [])
        assert (work.count("active"), len(driver.removed)) == (2, 2)


async def test_hundreds_of_nodes_leave_at_once_some_of_them_not_up_yet(tmp_path: Path) -> None:
    async with bench(tmp_path) as work:
        work.make_pool(nodes=450)
        await work.until(lambda: work.store.count_nodes(1).get((True, "idle"), 0) == 450)
        for nodes in (900, 0):
            await work.until(lambda: work.pools.get("a", "pool").allocation == "steady")
            work.pools.resize("a", "pool", {"targetDedicatedNodes": nodes}, lambda _modified: None)
        await work.until(lambda: work.pools.get("a", "pool").allocation == "steady")
        assert (work.store.count_nodes(1), work.engine.context.fleet.nodes(1)) == ({}, [])
        assert len(work.driver.removed) == len(set(work.driver.removed)) == 900
        assert len(list(work.store.lifetimes.where("1"))) == 900


async def test_a_job_never_runs_more_than_its_share(tmp_path: Path) -> None:
    driver = ToldDriver()
    driver.ends = never
    async with bench(tmp_path, driver) as work:
        work.make_pool(nodes=5, slots=2)
        work.make_job(maxParallelTasks=3)
        work.make_job("other")
        work.add(20)
        work.add(20, "other")
        await work.until(lambda: work.count("running") + work.count("running", "other") == 10)
        assert (work.count("running"), work.count("running", "other")) == (3, 7)


async def test_a_node_that_can_not_be_made_is_unusable(tmp_path: Path) -> None:
    driver = ToldDriver()
    driver.node_failure = BROKEN
    async with bench(tmp_path, driver) as work:
        work.make_pool()
        await work.until(lambda: work.store.count_nodes(1) == {(True, "unusable"): 1})
        (node,) = work.store.nodes.where("1")
        assert node.errors[0]["code"] == "DiskFull"


async def test_an_error_of_the_driver_is_a_failure_of_the_task(tmp_path: Path) -> None:
    driver = ToldDriver()
    driver.ends = lambda run: RuntimeError("a fault")
    async with bench(tmp_path, driver) as work:
        work.make_pool()
        work.make_job()
        work.add(1)
        await work.until(lambda: work.count("failure") == 1)
        failure = work.task().failure
        assert failure is not None
        assert failure["code"] == "Unknown"
        driver.ends = lambda run: outcome(0)
        work.tasks.reactivate(work.jobs.get("a", "job"), "t0", lambda _modified: None)
        await work.until(lambda: work.count("success") == 1)


async def test_a_task_ended_before_it_began_gives_its_slot_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as work:
        work.make_pool()
        work.make_job()
        await work.until(lambda: bool(work.engine.context.fleet.with_room(1)))
        job = work.jobs.get("a", "job")
        work.add(1)
        (node,) = work.engine.context.fleet.nodes(1)
        work.engine.runs.begin(job, work.task(), [node])
        # Nothing has been awaited: the run was not even begun.
        work.tasks.terminate(job, "t0", lambda _modified: None)
        await work.until(lambda: not node.runs)
        assert work.driver.runs == {}
        work.tasks.add(job, {"id": "next", "commandLine": "x"})
        await work.until(lambda: work.task("next").state == "completed")


async def test_a_task_made_active_again_waits_until_its_old_processes_are_gone(tmp_path: Path) -> None:
    driver = ToldDriver()
    driver.ends = never
    async with bench(tmp_path, driver) as work:
        work.make_pool(nodes=2)
        work.make_job()
        work.add(1)
        await work.until(lambda: work.driver.runs["t0"] == 1)
        job = work.jobs.get("a", "job")
        work.tasks.terminate(job, "t0", lambda _modified: None)
        work.tasks.reactivate(job, "t0", lambda _modified: None)
        await work.until(lambda: work.driver.runs["t0"] == 2)
        assert work.driver.cancelled == ["t0"]
        assert max(work.driver.most_at_once.values()) == 1


@pytest.mark.parametrize(("limit", "runs"), [(0, 1), (3, 4)])
async def test_a_task_is_run_again_as_often_as_it_may(tmp_path: Path, limit: int, runs: int) -> None:
    driver = ToldDriver()
    driver.ends = lambda run: outcome(9, EXIT)
    async with bench(tmp_path, driver) as work:
        work.make_pool()
        work.make_job()
        work.add(1, constraints={"maxTaskRetryCount": limit})
        await work.until(lambda: work.count("failure") == 1)
        assert work.driver.runs["t0"] == runs
        assert work.task().retries == limit


async def test_a_deleted_job_ends_its_tasks_and_clears_its_directories(tmp_path: Path) -> None:
    driver = ToldDriver()
    driver.ends = never
    async with bench(tmp_path, driver) as work:
        work.make_pool(nodes=2)
        work.make_job()
        work.add(700)
        await work.until(lambda: work.count("running") == 2)
        work.jobs.delete("a", "job", lambda _modified: None)
        await work.until(lambda: work.store.find_job("a", "job") is None)
        assert len(driver.cancelled) == 2
        assert driver.cleared == ["workitems/job", "workitems/job"]
        assert work.store.tasks.first("1") is None


async def test_what_a_job_is_told_last_counts_whatever_is_under_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(tmp_path) as work:
        for first, second in itertools.product(range(4), repeat=2):
            work.make_job()
            work.jobs.disable("a", "job", {"disableTasks": "wait"}, unconditional)
            await work.until(lambda: work.jobs.get("a", "job").state == "disabled")
            work.jobs.enable("a", "job", unconditional)
            await take_turns(first)
            work.jobs.terminate("a", "job", {}, unconditional, force=True)
            await take_turns(second)
            work.jobs.delete("a", "job", unconditional)
            await work.until(lambda: work.store.find_job("a", "job") is None)
    # Others that tests of this process have started may have something to say, too.
    assert [record for record in caplog.records if record.name.startswith("localbatch")] == []


async def test_after_a_restart_everything_goes_on(tmp_path: Path) -> None:
    driver = ToldDriver()
    driver.ends = never
    async with bench(tmp_path, driver) as work:
        work.make_pool(nodes=3, slots=2)
        work.make_job()
        work.add(20)
        await work.until(lambda: work.count("running") == 6)
    async with bench(tmp_path) as work:
        assert (work.count("running"), work.count("active")) == (0, 20)
        await work.until(lambda: work.count("success") == 20)
        assert sum(task.requeues for task in work.store.tasks.where("1")) == 6
        await work.until(lambda: work.store.count_nodes(1) == {(True, "idle"): 3})


async def test_a_preparation_that_fails_on_one_node_leaves_the_task_to_another(tmp_path: Path) -> None:
    driver = ToldDriver()
    bad: list[str] = []

    def end(run: Run) -> Outcome:
        if run.directory.endswith("jobpreparation"):
            bad.append(run.node.node_id)
            return outcome(1, EXIT) if run.node.node_id == bad[0] else outcome(0)
        return outcome(0)

    driver.ends = end
    async with bench(tmp_path, driver) as work:
        work.make_pool(nodes=2)
        work.make_job(jobPreparationTask={"commandLine": "x"})
        work.add(10)
        await work.until(lambda: work.count("success") == 10)
        assert {task.node_id for task in work.store.tasks.where("1")} == {*driver.most_at_once} - {bad[0]}


TOGETHER: JsonObject = {"numberOfInstances": 3, "coordinationCommandLine": "x"}


async def test_a_multi_instance_task_has_its_nodes_for_itself_and_gives_them_all_back(tmp_path: Path) -> None:
    async with bench(tmp_path) as work:
        work.make_pool(nodes=7, enableInterNodeCommunication=True)
        work.make_job()
        work.add(20, multiInstanceSettings=TOGETHER)
        await work.until(lambda: work.count("success") == 20)
        assert [len(set(nodes)) for nodes in work.driver.together] == [3] * 20
        assert max(work.driver.most_at_once.values()) == 1
        await work.until(lambda: len(work.engine.context.fleet.with_room(1)) == 7)
        assert [subtask.state for subtask in work.store.list_subtasks(work.task().seq)] == ["completed"] * 2


async def test_a_multi_instance_task_that_fails_runs_again_on_all_its_nodes(tmp_path: Path) -> None:
    driver = ToldDriver()
    driver.ends = lambda run: outcome(0) if len(driver.together) == 3 else outcome(1, EXIT)
    async with bench(tmp_path, driver) as work:
        work.make_pool(nodes=3, enableInterNodeCommunication=True)
        work.make_job(constraints={"maxTaskRetryCount": 5})
        work.add(1, multiInstanceSettings=TOGETHER)
        await work.until(lambda: work.count("success") == 1)
        assert work.task().retries == 2
        assert len(driver.together) == 3


async def test_a_failing_preparation_on_one_node_keeps_a_multi_instance_task_waiting(tmp_path: Path) -> None:
    driver = ToldDriver()
    bad: set[str] = set()

    def ends(run: Run) -> Outcome:
        if run.directory.endswith("jobpreparation") and not bad - {run.node.node_id}:
            bad.add(run.node.node_id)
            return outcome(1, EXIT)
        return outcome(0)

    driver.ends = ends
    async with bench(tmp_path, driver) as work:
        work.make_pool(nodes=3, enableInterNodeCommunication=True)
        work.make_job(jobPreparationTask={"commandLine": "x"})
        work.add(1, multiInstanceSettings=TOGETHER)
        await work.until(lambda: bool(bad) and work.task().state == "active")
        await work.until(lambda: len(work.engine.context.fleet.with_room(1)) == 3)
        assert driver.together == []
