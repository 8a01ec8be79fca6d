"""Lists: pages, filters and selections."""

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from tests.support.account import Account, error_code


def add(batch: Account, *ids: str) -> None:
    tasks = [models.BatchTaskCreateOptions(id=task_id, command_line="true") for task_id in ids]
    batch.client.create_task_collection("job", models.BatchTaskGroup(task_values=tasks))


def test_pages_are_as_large_as_asked_for(batch: Account) -> None:
    batch.make_job()
    add(batch, *(f"t{number}" for number in range(25)))
    pages = [len(list(page)) for page in batch.client.list_tasks("job", max_results=10).by_page()]
    assert pages == [10, 10, 5]


def test_a_full_last_page_has_no_link(batch: Account) -> None:
    batch.make_job()
    add(batch, *(f"t{number}" for number in range(10)))
    assert "odata.nextLink" not in batch.send("GET", "/jobs/job/tasks?maxresults=10").json()


def test_pages_miss_and_repeat_nothing_while_tasks_come_and_go(batch: Account) -> None:
    batch.make_job()
    add(batch, "a", "b", "c", "d")
    walk = batch.client.list_tasks("job", max_results=2).by_page()
    seen = [task.id for task in next(walk)]
    batch.client.delete_task("job", "a")
    batch.client.delete_task("job", "c")
    add(batch, "aa", "z")
    seen += [task.id for page in walk for task in page]
    assert seen == ["a", "b", "d", "aa", "z"]


def test_a_link_keeps_the_filter_and_the_selection(batch: Account) -> None:
    batch.make_job()
    add(batch, "x1", "y1", "x2", "y2", "x3")
    query = "$filter=startswith(id,'x')&$select=id&maxresults=2"
    link = batch.send("GET", f"/jobs/job/tasks?{query}").json()["odata.nextLink"]
    assert link.startswith("http://")
    found = list(batch.client.list_tasks("job", filter="startswith(id,'x')", select=["id"], max_results=2))
    assert [task.id for task in found] == ["x1", "x2", "x3"]
    assert all(task.state is None and task.command_line is None for task in found)


def test_a_filter_that_lets_little_through_finds_it_all_the_same(batch: Account) -> None:
    batch.make_job()
    for begin in range(0, 1200, 100):
        add(batch, *(f"t{number:04}" for number in range(begin, begin + 100)))
    assert [task.id for task in batch.client.list_tasks("job", filter="id eq 't1150'")] == ["t1150"]
    assert len(list(batch.client.list_tasks("job", max_results=7, filter="startswith(id,'t01')"))) == 100
    assert list(batch.client.list_tasks("job", filter="state eq 'completed'")) == []


def test_tasks_are_found_by_state_time_and_exit_code(batch: Account) -> None:
    batch.run("exit 3")
    batch.add_task("true", "fine")
    batch.await_task("fine")

    def found(text: str) -> list[str]:
        return [task.id or "" for task in batch.client.list_tasks("job", filter=text)]

    assert found("state eq 'Completed' and executionInfo/exitCode eq 3") == ["task"]
    assert found("state eq 'completed' and executionInfo/result eq 'success'") == ["fine"]
    moment = batch.client.get_task("job", "fine").state_transition_time
    assert moment is not None
    since = f"stateTransitionTime ge DateTime'{moment:%Y-%m-%dT%H:%M:%S.%fZ}'"
    assert found(f"state eq 'completed' and {since}") == ["fine"]
    assert found(since) == ["fine"]
    assert found("state eq 'completed' and stateTransitionTime ge DateTime'2100-01-01T00:00:00Z'") == []


@pytest.mark.parametrize("size", ["0", "1001", "-1", "many", "1.5"])
def test_an_impossible_page_size_is_refused(batch: Account, size: str) -> None:
    answer = batch.send("GET", f"/pools?maxresults={size}")
    assert answer.status_code == 400
    assert answer.json()["code"] in ("OutOfRangeQueryParameterValue", "InvalidQueryParameterValue")


@pytest.mark.parametrize(
    "query",
    [
        *("$filter=colour eq 'red'", "$filter=state", "$filter=id startswith 'a'", "$skiptoken=x"),
        *("$select=a b", "$select=colour", "$select=id,,state", "$select=startTask/colour", "$select=id/state"),
        *("$expand=everything", "timeOut=soon", "timeOut=1.5", "timeOut="),
    ],
)
def test_a_query_that_means_nothing_is_refused(batch: Account, query: str) -> None:
    answer = batch.send("GET", f"/pools?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidQueryParameterValue")


@pytest.mark.parametrize("seconds", ["0", "-1", "000"])
def test_no_time_for_a_request_is_out_of_range(batch: Account, seconds: str) -> None:
    answer = batch.send("GET", f"/pools?timeOut={seconds}")
    assert (answer.status_code, answer.json()["code"]) == (400, "OutOfRangeQueryParameterValue")


def test_more_time_than_a_request_gets_is_no_error(batch: Account) -> None:
    assert batch.send("GET", "/pools?timeOut=3600").status_code == 200


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/pools?$top=1", "$top"),
        ("/pools?$orderby=id", "$orderby"),
        ("/jobs/job?$filter=id eq 'job'", "$filter"),
        ("/nodecounts?$select=poolId", "$select"),
        ("/pools/pool/nodes?$expand=stats", "$expand"),
    ],
)
def test_a_system_option_that_an_operation_does_not_have_is_refused(batch: Account, path: str, name: str) -> None:
    answer = batch.send("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (400, "UnsupportedQueryParameter")
    assert answer.json()["values"] == [{"key": "QueryParameterName", "value": name}]


def test_any_other_parameter_that_nobody_knows_is_passed_over(batch: Account) -> None:
    assert batch.send("GET", "/pools?colour=red").status_code == 200


def test_parts_of_parts_are_selected(batch: Account) -> None:
    batch.make_job()
    answer = batch.send("GET", "/jobs/job?$select=id,executionInfo/poolId,constraints/maxTaskRetryCount").json()
    del answer["odata.metadata"]
    assert answer == {"id": "job", "executionInfo": {"poolId": "pool"}, "constraints": {"maxTaskRetryCount": 0}}


def test_pools_and_jobs_come_by_pages_and_filters_too(batch: Account) -> None:
    for number in range(5):
        batch.make_pool(f"pool{number}", nodes=0)
        batch.make_job(f"job{number}", pool_id=f"pool{number}")
    assert [pool.id for pool in batch.client.list_pools(max_results=2)] == [f"pool{number}" for number in range(5)]
    assert [job.id for job in batch.client.list_jobs(max_results=2)] == [f"job{number}" for number in range(5)]
    assert [job.id for job in batch.client.list_jobs(filter="executionInfo/poolId eq 'POOL3'")] == ["job3"]
    assert [pool.id for pool in batch.client.list_pools(filter="id eq 'pool1' or id eq 'pool4'")] == ["pool1", "pool4"]
    (job,) = batch.client.list_jobs(filter="id eq 'job2'", select=["id,state"], expand=["stats"])
    assert (job.state, job.priority) == ("active", None)


def test_a_selected_resource_has_only_what_was_selected(batch: Account) -> None:
    batch.make_pool(nodes=0)
    pool = batch.client.get_pool("pool", select=["id,state"])
    assert set(pool.as_dict()) == {"odata.metadata", "id", "state"}


def test_the_list_of_a_missing_job_is_not_found(batch: Account) -> None:
    with pytest.raises(HttpResponseError) as caught:
        list(batch.client.list_tasks("nothing"))
    assert error_code(caught.value) == "JobNotFound"
