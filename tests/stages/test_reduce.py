"""The stage that adds a task which takes what others have left."""

from dataclasses import replace
from pathlib import Path

import pytest

from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.records import JobPlan, Place, TaskPlan
from prefect_azure_batch.tasks.reduce import (
    LONGEST_LIST,
    MOST_MAPS,
    Maps,
    add_reduce,
    covering_places,
    cut_ids,
    reduce_task_id,
)
from prefect_azure_batch.tasks.submit import add_tasks
from tests.stages.conftest import Bench

PLAN = TaskPlan("cat {inputs}; ls inputs | wc -l", grouped=True)


def test_ids_are_cut_into_lists_that_a_task_can_wait_for() -> None:
    assert list(cut_ids(["aaa", "bb", "cc", "ddd"], 5)) == [["aaa", "bb"], ["cc", "ddd"]]
    assert list(cut_ids([], 5)) == []
    lists = list(cut_ids([f"{number:064}" for number in range(MOST_MAPS)], LONGEST_LIST))
    assert (len(lists), max(map(len, lists))) == (100, 1000)


def test_what_lies_together_is_fetched_together_and_little_else() -> None:
    places = [Place("work", f"w/run-{run}/{number:07}-t") for run in "ab" for number in range(120)]
    assert covering_places(places) == [("work", "w/run-a/0000"), ("work", "w/run-b/0000")]
    scattered = [Place("work", f"w/run-a/{number:07}-t") for number in range(0, 1_000_000, 5000)]
    assert covering_places(scattered) == [("work", "w/run-a/")]
    assert covering_places([*places[:1], Place("mine", "x/0000007-t")]) == [
        ("work", "w/run-a/0000000-t/"),
        ("mine", "x/0000007-t/"),
    ]


@pytest.mark.parametrize(("longest", "joins"), [(LONGEST_LIST, 0), (40, 3)])
def test_a_reduce_waits_for_its_maps_by_their_ids_or_through_others(
    bench: Bench, tmp_path: Path, longest: int, joins: int
) -> None:
    for number in range(5):
        (tmp_path / f"n{number}").write_text(f"{number}\n")
    bench.run = create_job(bench.account, JobPlan(bench.job_id, bench.pool_id, bench.job_id, dependencies=True))
    plan = TaskPlan("sleep 1; cat {input}")
    added = add_tasks(bench.account, bench.run, bench.store(tmp_path), plan)
    container = bench.run.container
    maps = Maps(tuple(Place(container, task.folder) for task in added), tuple(task.task_id for task in added), False)
    task = add_reduce(bench.account, bench.run, 5, PLAN, maps, longest)
    assert add_reduce(bench.account, bench.run, 5, PLAN, maps, longest) == task
    (ended,) = bench.wait([task])
    client = bench.account.get_client()
    there = {each.id: each for each in client.list_tasks(bench.job_id)}
    assert sorted(name for name in there if name and name.isdecimal()) == [str(n + 1) for n in range(joins)]
    assert ended.end.started
    assert all(end.end.ended <= ended.end.started for end in bench.wait(added) if end.end.ended)
    (collected,) = bench.collect([ended], tmp_path / "out")
    assert collected.stdout is not None
    assert collected.stdout.read_text() == "0\n1\n2\n3\n4\n5\n"


def test_a_map_that_fails_leaves_its_reduce_waiting(bench: Bench, two_files: Path) -> None:
    bench.run = create_job(bench.account, JobPlan(bench.job_id, bench.pool_id, bench.job_id, dependencies=True))
    added = add_tasks(bench.account, bench.run, bench.store(two_files), TaskPlan("grep -q alpha {input}"))
    places = tuple(Place(bench.run.container, task.folder) for task in added)
    maps = Maps(places, tuple(task.task_id for task in added), keep_files=False)
    task = add_reduce(bench.account, bench.run, 2, PLAN, maps)
    assert sorted(each.end.succeeded for each in bench.wait(added)) == [False, True]
    assert bench.account.get_client().get_task(bench.job_id, task.task_id).state == "active"


def test_a_reduce_is_another_where_anything_that_it_takes_lies_elsewhere() -> None:
    maps = Maps((Place("work", "w/a/0-t"), Place("work", "w/a/1-u")), (), keep_files=True)
    others = [
        maps,
        replace(maps, places=maps.places[::-1]),
        replace(maps, places=maps.places[:1]),
        replace(maps, places=(Place("work", "w/b/0-t"), maps.places[1])),
        replace(maps, keep_files=False),
    ]
    ids = [reduce_task_id(None, PLAN, each) for each in others]
    assert len({*ids, reduce_task_id(None, replace(PLAN, command="cat {inputs}"), maps)}) == 6
    assert ids[0].startswith("reduce-")
