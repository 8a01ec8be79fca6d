"""Dependencies in the database, against the plainest way to tell whether a task may run."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from localbatch.bodies.tasks import TaskDependencies, TaskIdRange
from localbatch.rules.dependencies import number_of
from localbatch.store.store import Store
from localbatch.store.tasks import TaskRecord

NOW = datetime(2026, 1, 2, tzinfo=UTC)
IDS = st.sampled_from(["a", "A", "b", "1", "01", "2", "3", "003", "7"])
RANGES = st.tuples(st.integers(0, 4), st.integers(0, 4)).map(lambda ends: TaskIdRange(start=min(ends), end=max(ends)))
WANTED = st.builds(TaskDependencies, task_ids=st.lists(IDS, max_size=3), task_id_ranges=st.lists(RANGES, max_size=2))


def add(store: Store, task_id: str, wanted: TaskDependencies) -> TaskRecord:
    unmet = store.dependencies.unmet(1, wanted)
    record = TaskRecord(0, 1, task_id, {}, 1, None, 0, NOW, NOW, NOW, blockers=len(unmet), state="active")
    task = store.tasks.add(record)
    store.dependencies.add(1, task.seq, unmet)
    return task


def may_run(wanted: TaskDependencies, ended: set[str]) -> bool:
    numbers = {number_of(task_id) for task_id in ended}
    ids = {task_id.lower() for task_id in ended}
    return all(task_id.lower() in ids for task_id in wanted.task_ids) and all(
        number in numbers for each in wanted.task_id_ranges for number in range(each.start, each.end + 1)
    )


@given(st.lists(st.tuples(WANTED, IDS)))
@settings(max_examples=30, deadline=None)
def test_a_task_waits_exactly_as_long_as_one_of_its_dependencies_is_not_satisfied(
    steps: list[tuple[TaskDependencies, str]],
) -> None:
    with TemporaryDirectory() as root:
        store = Store(Path(root) / "state.db")
        children: dict[int, TaskDependencies] = {}
        ended: dict[str, str] = {}
        for wanted, parent in steps:
            children[add(store, f"child{len(children)}", wanted).seq] = wanted
            if parent.lower() not in ended:
                ended[parent.lower()] = parent
                task = add(store, parent, TaskDependencies())
                store.tasks.change(task, state="completed", result="success", satisfied=True)
            store.dependencies.satisfy(1, parent)
            waiting = {task.seq for task in store.list_waiting_tasks(1, 1, -1)}
            assert waiting == {seq for seq, each in children.items() if may_run(each, set(ended))}
        store.close()


def test_a_job_that_is_deleted_leaves_no_dependencies(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    add(store, "child", TaskDependencies(task_ids=["a", "b"], task_id_ranges=[TaskIdRange(start=1, end=6)]))
    store.dependencies.satisfy(1, "2")
    while store.dependencies.forget(1, 2):
        assert store.find_task(1, "child") is not None
    assert not any(store.dependencies.satisfy(1, name) for name in ("a", "b", "1", "3", "4", "5", "6"))
