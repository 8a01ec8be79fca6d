"""Inputs of a map as people have them, run against a local Azure."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.results import MapResult, TasksFailed
from prefect_azure_batch.tasks.errors import BadInput
from tests.flows.conftest import left_behind
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
    shown = caplog.text + "".join(result.json_lines()) + "".join(again.text())
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
