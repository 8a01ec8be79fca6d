"""The service's memory: rows, counts that never drift, and what a transaction keeps or drops."""

import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localbatch.engine.clock import Clock
from localbatch.store.jobs import JobRecord
from localbatch.store.root import RootError
from localbatch.store.store import Store
from localbatch.store.tasks import TaskRecord

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def make_job(store: Store, job_id: str = "job", **changes: object) -> JobRecord:
    record = JobRecord(
        seq=0,
        account="account",
        id=job_id,
        body={"a": [1, "ä", None]},
        created=NOW,
        modified=NOW,
        state="active",
        state_changed=NOW,
        previous_state=None,
        previous_changed=None,
        pool_id="pool",
        priority=0,
        max_parallel=-1,
        disable_tasks="",
        ended=None,
        terminate_reason=None,
    )
    return store.jobs.add(replace(record, **changes))  # type: ignore[arg-type]


def make_task(store: Store, job: int, task_id: str, slots: int = 1, instances: int = 0) -> TaskRecord:
    return store.tasks.add(TaskRecord(0, job, task_id, {}, slots, None, instances, NOW, NOW, NOW, state="active"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state.db")


def test_a_row_comes_back_as_it_was_written(store: Store) -> None:
    job = make_job(store, ended=NOW + timedelta(microseconds=1))
    assert store.jobs.get(job.seq) == job
    assert job.seq > 0


def test_nobody_else_can_read_the_database(store: Store, tmp_path: Path) -> None:
    make_job(store)
    files = list(tmp_path.iterdir())
    assert {file.suffix for file in files} >= {".db", ".db-wal"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def test_ids_are_found_in_any_case_and_kept_as_written(store: Store) -> None:
    make_job(store, "MyJob")
    found = store.find_job("account", "mYjOB")
    assert found is not None
    assert found.id == "MyJob"
    assert store.find_job("other", "MyJob") is None
    with pytest.raises(sqlite3.IntegrityError):
        make_job(store, "MYJOB")


def test_another_process_reads_what_was_written(store: Store, tmp_path: Path) -> None:
    job = make_job(store)
    task = make_task(store, job.seq, "task", slots=3)
    again = Store(tmp_path / "state.db")
    assert again.find_task(job.seq, "task") == task
    assert again.count_tasks(job.seq)["active"].slots == 3
    again.close()


def test_a_transaction_that_fails_leaves_nothing_behind(store: Store) -> None:
    job = make_job(store)

    def add_and_fail() -> None:
        with store.transaction():
            make_task(store, job.seq, "task")
            raise LookupError

    with pytest.raises(LookupError):
        add_and_fail()
    assert store.find_task(job.seq, "task") is None
    assert store.count_tasks(job.seq) == {}


def test_the_number_of_a_removed_row_never_comes_back(store: Store) -> None:
    first = make_job(store, "a")
    store.jobs.remove(first.seq)
    assert make_job(store, "b").seq > first.seq


MOVES = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["active", "preparing", "running", "success", "failure", "remove"])),
    max_size=30,
)


@settings(max_examples=40)
@given(MOVES)
def test_counts_are_always_those_of_the_tasks(moves: list[tuple[int, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder, "state.db"))
        job = make_job(store)
        tasks = {number: make_task(store, job.seq, f"t{number}", slots=number + 1) for number in range(5)}
        for number, kind in moves:
            if number not in tasks:
                continue
            if kind == "remove":
                store.tasks.remove(tasks.pop(number).seq)
            elif kind in ("success", "failure"):
                tasks[number] = store.tasks.change(tasks[number], state="completed", result=kind)
            else:
                tasks[number] = store.tasks.change(tasks[number], state=kind, result=None)
        counts = store.count_tasks(job.seq)
        for kind in ("active", "preparing", "running", "success", "failure"):
            mine = [task for task in tasks.values() if (task.result or task.state) == kind]
            found = counts.get(kind)
            assert (found.tasks if found else 0) == len(mine)
            assert (found.slots if found else 0) == sum(task.required_slots for task in mine)
        store.close()


def test_waiting_jobs_come_by_priority_and_then_by_age(store: Store) -> None:
    jobs = {name: make_job(store, name, priority=priority) for name, priority in (("a", 0), ("b", 5), ("c", 0))}
    for job in jobs.values():
        make_task(store, job.seq, "task")
    make_job(store, "empty", priority=100)
    elsewhere = make_job(store, "elsewhere", pool_id="other")
    make_task(store, elsewhere.seq, "task")
    disabled = make_job(store, "disabled", state="disabled")
    make_task(store, disabled.seq, "task")
    assert [job.id for job in store.list_waiting_jobs("account", "POOL")] == ["b", "a", "c"]


def test_waiting_tasks_are_those_that_fit_and_no_more_than_asked_for(store: Store) -> None:
    job = make_job(store)
    for number, slots in enumerate((4, 1, 2, 1)):
        make_task(store, job.seq, f"t{number}", slots)
    assert [task.id for task in store.list_waiting_tasks(job.seq, 2, 10)] == ["t1", "t2", "t3"]
    assert [task.id for task in store.list_waiting_tasks(job.seq, 4, 2)] == ["t0", "t1"]


def test_tasks_that_take_several_nodes_are_found_where_there_are_so_many(store: Store) -> None:
    job = make_job(store)
    for number, instances in enumerate((0, 1, 3)):
        make_task(store, job.seq, f"t{number}", instances=instances)
    found = {count: [task.id for task in store.list_waiting_tasks(job.seq, 1, 10, count)] for count in (0, 2, 3)}
    assert found == {0: ["t0"], 2: ["t0", "t1"], 3: ["t0", "t1", "t2"]}


def test_tasks_whose_files_expire_come_in_that_order(store: Store) -> None:
    job = make_job(store)
    for number, hours in enumerate((3, 1, 2)):
        store.tasks.change(make_task(store, job.seq, f"t{number}"), expires=NOW + timedelta(hours=hours))
    assert store.next_expiry() == NOW + timedelta(hours=1)
    assert [task.id for task in store.expired_tasks(NOW + timedelta(hours=2), 10)] == ["t1", "t2"]


def test_the_clock_never_tells_the_same_time_twice() -> None:
    clock = Clock()
    times = [clock.now() for _ in range(1000)]
    assert times == sorted(set(times))


def test_a_database_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    Store(path).close()
    Store(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    with pytest.raises(RootError, match="another version of localbatch"):
        Store(path)
