"""Inputs of a map as people have them, run against a local Azure."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.results import MapResult, TasksFailed
from prefect_azure_batch.tasks.errors import BadInput
from tests.flows.conftest import left_behind
from tests.support.hostile import HOSTILE_NAMES
from tests.support.web import Web, web_server

Run = Callable[..., MapResult]


@pytest.fixture
def run(account_name: str | None, tmp_path: Path) -> Run:
    """Runs the flow on the account of the test, results in ``out``."""

    def run(**parameters: object) -> MapResult:
        given = {"account": account_name, "results": str(tmp_path / "out"), "nodes": 1, "slots": 4, **parameters}
        return map_flow(MapParameters.model_validate(given))

    return run


@pytest.fixture
def web(account_name: str | None) -> Iterator[Web]:
    """A server that the nodes reach, too."""
    if account_name:
        pytest.skip("nodes of a real account do not reach this machine")
    with web_server() as web:
        yield web


def texts(result: MapResult) -> list[str]:
    return [Path(task.stdout).read_text() for task in result.tasks if task.stdout]


def test_links_are_fetched_by_the_nodes_and_known_again(
    run: Run, web: Web, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    links = [web.add(f"/data/{name}?sp=r&sig=s3cret{number}", name.encode()) for number, name in enumerate("ab")]
    common = web.add("/common%20factors.txt?sig=s3cret", b"!")
    asked = {"common": [common], "command": 'cat {input} "common factors.txt"'}
    result = run(inputs=links, **asked)
    assert texts(result) == ["a!", "b!"]
    assert [task.input for task in result.tasks] == [f"{web.url}/data/a", f"{web.url}/data/b"]
    signed_anew = [web.add(f"/data/{name}?sp=r&sig=anews3cret", name.encode()) for name in "ab"]
    web.etags["/data/b?sp=r&sig=anews3cret"] = '"2"'
    again = run(inputs=signed_anew, **asked)
    assert (again.counts.skipped, again.counts.succeeded) == (1, 1)
    with get_client(sync_client=True) as client:
        known = "".join(flow_run.model_dump_json() for flow_run in client.read_flow_runs())
    assert f"{web.url}/data/b" in known
    shown = known + caplog.text + "".join(result.json_lines()) + "".join(again.text())
    shown += "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert "s3cret" not in shown


def test_a_link_that_is_refused_is_told_before_anything_is_created(
    run: Run, web: Web, account: AzureBatchAccount
) -> None:
    with pytest.raises(BadInput, match=r"/none' is refused by its server: 404 Not Found"):
        run(inputs=[web.add("/there", b"1"), f"{web.url}/none?sig=s3cret"], command="cat {input}")
    assert left_behind(account) == []


def test_a_link_that_is_gone_when_its_task_runs_fails_that_task_without_its_query(run: Run, web: Web) -> None:
    link = web.add("/soon-gone?sig=s3cret", b"1")
    web.statuses["/soon-gone?sig=s3cret"] = [200, 404]
    with pytest.raises(TasksFailed) as failed:
        run(inputs=[link], command="cat {input}")
    (task,) = failed.value.result.tasks
    assert "404" in (task.error or "") or "BlobNotFound" in (task.error or "")
    assert "s3cret" not in "".join(failed.value.result.json_lines())


def test_blobs_are_inputs_by_pattern(account: AzureBatchAccount, run: Run) -> None:
    container = account.storage.get_client().get_container_client("patterns")
    container.create_container()
    for name in ("x/a.csv", "x/b.txt", "x/deep/c.csv", "y/d.csv"):
        container.upload_blob(name, name.encode())
    assert texts(run(inputs=["az://patterns/x/**/*.csv"], command="cat {input}")) == ["x/a.csv", "x/deep/c.csv"]


def test_a_task_has_all_files_of_its_folder_whatever_their_names(run: Run, tmp_path: Path) -> None:
    for folder in ("one", "two words"):
        (tmp_path / "in" / folder).mkdir(parents=True)
        for name in HOSTILE_NAMES:
            (tmp_path / "in" / folder / name).write_text(f"{folder}: {name}\0")
    command = "cat {inputs}; printf '%s\\0' {inputs} > names; test ! -e injected"
    result = run(inputs=[str(tmp_path / "in")], group_by="folder", command=command, outputs=["names"])
    assert [task.input for task in result.tasks] == [f"{tmp_path}/in/one", f"{tmp_path}/in/two words"]
    order = sorted(HOSTILE_NAMES, key=str.encode)
    for text, task, folder in zip(texts(result), result.tasks, ("one", "two words"), strict=True):
        assert text.split("\0")[:-1] == [f"{folder}: {name}" for name in order]
        assert Path(task.outputs[0]).read_text().split("\0")[:-1] == [f"inputs/{name}" for name in order]


def test_a_group_that_has_changed_runs_again_alone(run: Run, tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b/1", "b/2", "c/1"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(f"{tmp_path.name} {name}\n")
    asked = {
        "inputs": [str(tmp_path / "in")],
        "group_by": "folder",
        "sweep": ["n=1,2"],
        "command": "cat {inputs}; echo {n}",
    }

    def counts() -> tuple[int, int]:
        result = run(**asked)
        return result.counts.succeeded, result.counts.skipped

    assert counts() == (6, 0)
    assert counts() == (0, 6)
    (tmp_path / "in/a/1").write_text("changed\n")
    (tmp_path / "in/b/3").write_text("new\n")
    assert counts() == (4, 2)


def test_a_chunk_holds_files_of_one_name_apart_and_finds_them_again_at_each_attempt(run: Run, tmp_path: Path) -> None:
    for folder in "abc":
        (tmp_path / "in" / folder).mkdir(parents=True)
        (tmp_path / "in" / folder / "x").write_text(folder)
    command = f"echo $(cat {{inputs}}) {{inputs}}; rm inputs/a/x; mkdir {tmp_path}/once-{{index}}"
    (tmp_path / "once-0").mkdir()
    with pytest.raises(TasksFailed) as failed:
        run(inputs=[str(tmp_path / "in")], chunk=2, command=command, retry_on=[1], retries=1)
    first, second = failed.value.result.tasks
    assert first.input == f"{tmp_path}/in/a/x .. {tmp_path}/in/b/x (2 inputs)"
    assert Path(first.stdout or "").read_text() == "ab inputs/a/x inputs/b/x\n" * 2
    assert Path(second.stdout or "").read_text().splitlines()[0] == "c inputs/x"


def test_blobs_and_links_are_grouped_where_they_lie(account: AzureBatchAccount, run: Run, web: Web) -> None:
    container = account.storage.get_client().get_container_client("grouped")
    container.create_container()
    for name in ("x/a", "x/b", "y/a"):
        container.upload_blob(name, name.encode())
    links = [web.add(f"/z/{name}?sig=s3cret", f"z/{name}".encode()) for name in "ab"]
    result = run(inputs=["az://grouped/", *links], group_by="folder", command="cat {inputs}")
    assert texts(result) == ["x/ax/b", "y/a", "z/az/b"]
    assert [task.input for task in result.tasks] == ["az://grouped/x", "az://grouped/y", f"{web.url}/z"]


def test_a_thousand_files_are_one_task_and_too_many_are_refused(
    run: Run, tmp_path: Path, account: AzureBatchAccount
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(1000):
        (tmp_path / "in" / f"{number:04}").write_text("x" * (number % 10))
    result = run(inputs=[str(tmp_path / "in")], chunk=1000, command="cat {inputs} | wc -c")
    assert texts(result) == ["4500\n"]
    for number in range(1000, 4000):
        (tmp_path / "in" / f"{number:04}").touch()
    with pytest.raises(BadInput, match=r"has 4000 inputs, and Batch takes about \d{4} such for one task") as refused:
        run(inputs=[str(tmp_path / "in")], chunk=4000, command="cat {inputs} | wc -c")
    assert "\n" not in str(refused.value)
    assert left_behind(account) == []


def test_parts_are_done_by_runs_of_their_own_and_nothing_of_them_twice(run: Run) -> None:
    asked = {"sweep": ["seed=1..6"], "command": "echo {seed}"}
    first, whole = run(**asked, part="1/2"), run(**asked)
    number = len(first.tasks)
    assert 0 < number < 6
    assert (whole.counts.skipped, whole.counts.succeeded) == (number, 6 - number)
    assert sorted(texts(whole)) == [f"{seed}\n" for seed in range(1, 7)]
    assert {task.task_id for task in first.tasks} == {task.task_id for task in whole.tasks if task.state == "skipped"}


def test_more_groups_than_prefect_follows_are_refused(run: Run) -> None:
    with pytest.raises(BadInput, match=r"--group-size: 501 inputs in groups of 1 .*: give 2 or more"):
        run(sweep=["seed=1..501"], command="echo {seed}", group_size=1)


def test_a_common_file_cannot_take_the_place_of_the_folder_of_inputs(run: Run, two_files: Path, tmp_path: Path) -> None:
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "inputs").touch()
    with pytest.raises(BadInput, match="a common file has the name 'inputs'"):
        run(inputs=[str(two_files)], chunk=2, common=[str(tmp_path / "common")], command="cat {inputs}")
