"""Results of tasks in a file."""

import json
import pickle
from pathlib import Path

import pytest

from prefect_azure_batch.flows.result_index import ResultIndex
from prefect_azure_batch.flows.results import MapResult, ResultCounts, State, TaskResult, TasksFailed
from prefect_azure_batch.tasks.errors import ResultsUnwritable
from prefect_azure_batch.tasks.names import INDEX_NAME


def result(number: int, state: State = "succeeded") -> TaskResult:
    return TaskResult(input=f'"{number}"', task_id=f"t{number}", state=state, outputs=[f"{number}.txt"])


@pytest.fixture
def index(tmp_path: Path) -> ResultIndex:
    with ResultIndex(tmp_path / "out", 3) as index:
        index.write(2, result(2, "failed"))
        index.write(0, result(0))
        index.write(1, result(1, "skipped"))
    return index


def test_results_are_in_the_order_of_their_inputs_whatever_came_first(index: ResultIndex, tmp_path: Path) -> None:
    tasks = index.tasks
    assert [task.task_id for task in tasks] == ["t0", "t1", "t2"]
    assert (len(tasks), tasks[-1].state, [task.task_id for task in tasks[:2]]) == (3, "failed", ["t0", "t1"])
    assert index.counts == ResultCounts(succeeded=1, failed=1, skipped=1)
    lines = (tmp_path / "out" / INDEX_NAME).read_text().splitlines()
    assert [json.loads(line)["task_id"] for line in lines] == ["t2", "t0", "t1"]


def test_the_json_document_is_the_same_in_pieces_and_in_one(index: ResultIndex) -> None:
    whole = MapResult(run_id='a "tasks": [] b', job_id=None, pool_id=None, results="out", counts=index.counts,
                      tasks=index.tasks, leftovers=["pool"])  # fmt: skip
    pieces = "\n".join(whole.json_lines())
    assert pieces == whole.model_dump_json(indent=2)
    assert [task["state"] for task in json.loads(pieces)["tasks"]] == ["succeeded", "skipped", "failed"]


def test_a_task_that_is_written_again_is_counted_once(tmp_path: Path) -> None:
    with ResultIndex(tmp_path, 1) as index:
        index.write(0, result(0))
        index.write(0, result(0, "failed"))
    assert index.counts == ResultCounts(failed=1)
    assert [task.state for task in index.tasks] == ["failed"]


def test_results_outlive_those_of_a_later_run_in_the_same_directory(index: ResultIndex, tmp_path: Path) -> None:
    tasks = index.tasks
    with ResultIndex(tmp_path / "out", 1) as later:
        later.write(0, result(7))
    assert [task.task_id for task in tasks] == ["t0", "t1", "t2"]
    assert pickle.loads(pickle.dumps(tasks)) == list(tasks)
    assert [task.task_id for task in later.tasks] == ["t7"]


def test_what_prefect_keeps_of_a_failure_has_no_tasks(index: ResultIndex) -> None:
    whole = MapResult(run_id="r", job_id=None, pool_id=None, results="out", counts=index.counts, tasks=index.tasks)
    error = TasksFailed(whole)
    kept = pickle.loads(pickle.dumps(error))
    assert (type(kept), str(kept), kept.result.counts) == (TasksFailed, str(error), whole.counts)
    assert (len(kept.result.tasks), len(error.result.tasks)) == (0, 3)


def test_a_failure_beside_the_text_of_its_result_has_the_reasons_that_stand_not_there(tmp_path: Path) -> None:
    failed = {number: f"exit code {number}" for number in (3, 22, 24)}
    tasks = [result(number, "failed" if number in failed else "succeeded") for number in range(25)]
    tasks = [task.model_copy(update={"error": failed.get(number)}) for number, task in enumerate(tasks)]
    whole = MapResult(
        run_id="r", job_id=None, pool_id=None, results="", counts=ResultCounts(failed=3, succeeded=22), tasks=tasks
    )
    first = "3 of 25 tasks of run 'r' failed:"
    assert str(TasksFailed(whole)).splitlines() == [
        first,
        *(f'  "{number}": {reason}' for number, reason in failed.items()),
    ]
    assert TasksFailed(whole).beside_result.splitlines() == [first, '  "22": exit code 22', '  "24": exit code 24']
    few = whole.model_copy(update={"tasks": tasks[:20], "counts": ResultCounts(failed=1, succeeded=19)})
    assert TasksFailed(few).beside_result == "1 of 20 tasks of run 'r' failed."


def test_a_directory_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsUnwritable, match=r"index\.jsonl"):
        ResultIndex(tmp_path / "file", 1)
