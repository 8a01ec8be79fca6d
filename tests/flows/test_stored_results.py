"""Results that stay in storage."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from azure.storage.blob import ContainerClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.results import MapResult, TasksFailed
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.names import INDEX_NAME
from tests.flows.conftest import left_behind


@pytest.fixture
def container(account: AzureBatchAccount) -> Iterator[ContainerClient]:
    """Takes the results; it is made by the run."""
    client = account.storage.get_client().get_container_client(f"results-{uuid.uuid4().hex}")
    yield client
    client.delete_container()


@pytest.fixture
def asked(account_name: str | None, two_files: Path, tmp_path: Path) -> dict[str, object]:
    """A run over two files of this test alone."""
    command = f"echo {tmp_path} {{stem}}; cat {{input}} > {{stem}}.out"
    return {"inputs": [str(two_files)], "command": command, "outputs": ["*.out"], "account": account_name}


def run(asked: dict[str, object], results: str, **more: object) -> MapResult:
    return map_flow(MapParameters.model_validate(asked | {"results": results} | more))


def read(container: ContainerClient, link: str | None) -> str:
    begin = f"az://{container.container_name}/"
    assert link is not None
    assert link.startswith(begin)
    return container.download_blob(link.removeprefix(begin)).readall().decode()


def test_nothing_is_downloaded_and_the_result_says_where_it_lies(
    account: AzureBatchAccount, container: ContainerClient, asked: dict[str, object], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    result = run(asked, f"az://{container.container_name}/lab/one/")
    assert result.results == f"az://{container.container_name}/lab/one/{result.run_id}"
    assert [read(container, task.stdout).split()[-1] for task in result.tasks] == ["a", "b"]
    assert [read(container, task.outputs[0]) for task in result.tasks] == ["alpha", "beta gamma"]
    index = [json.loads(line) for line in read(container, f"{result.results}/{INDEX_NAME}").splitlines()]
    assert [line["outputs"] for line in index] == [task.outputs for task in result.tasks]
    assert set(tmp_path.rglob("*")) == before
    assert "Standard output: az://" in "\n".join(result.text())
    assert left_behind(account) == []
    check_report(account, container, result)


def check_report(account: AzureBatchAccount, container: ContainerClient, result: MapResult) -> None:
    """The page lies beside the results, and what Prefect shows leads to it and to them, with no signature."""
    assert result.report == f"{result.results}/report.html"
    report = container.get_blob_client(result.report.removeprefix(f"az://{container.container_name}/"))
    assert report.get_blob_properties().content_settings.content_type == "text/html; charset=utf-8"
    own = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(result.run_id.removeprefix("map-"))]))
    with get_client(sync_client=True) as client:
        shown = {artifact.key: str(artifact.data) for artifact in client.read_artifacts(artifact_filter=own)}
    address = account.storage.plain_url(container.container_name)
    assert f"[report.html]({address}/" in shown["batch-report"]
    rows = json.loads(shown["batch-map-results"])
    assert [row["state"] for row in rows] == ["succeeded"] * 2
    for row in rows:
        assert all(url.startswith(f"{address}/lab/one/") and "?" not in url for url in row["outputs"].split())
        assert row["queue seconds"] >= 0
        assert row["run seconds"] >= 0  # of a task of milliseconds it is 0.0
        assert row["node"]


def test_what_is_done_is_found_where_it_lies_or_comes_to_where_it_is_wanted(
    container: ContainerClient, asked: dict[str, object], tmp_path: Path
) -> None:
    place = f"az://{container.container_name}/lab"
    first = run(asked, place)
    again = run(asked, place)
    assert (again.counts.skipped, again.pool_id) == (2, None)
    assert [task.outputs for task in again.tasks] == [task.outputs for task in first.tasks]
    here = run(asked, str(tmp_path / "out"))
    assert here.counts.skipped == 2
    assert [Path(task.outputs[0]).read_text() for task in here.tasks] == ["alpha", "beta gamma"]


def test_what_is_done_comes_to_another_place(container: ContainerClient, asked: dict[str, object]) -> None:
    run(asked, f"az://{container.container_name}/lab")
    for _ in range(2):
        other = run(asked, f"az://{container.container_name}/other")
        assert other.counts.skipped == 2
        names = [name for task in other.tasks for name in (task.stdout, *task.outputs)]
        assert all(str(name).startswith(f"az://{container.container_name}/other/") for name in names)
        assert [read(container, task.outputs[0]) for task in other.tasks] == ["alpha", "beta gamma"]


@pytest.mark.parametrize("content", [None, b"other"])
@pytest.mark.parametrize("stays", [False, True])
def test_what_somebody_has_deleted_from_storage_or_changed_is_done_again(
    account: AzureBatchAccount,
    container: ContainerClient,
    asked: dict[str, object],
    tmp_path: Path,
    stays: bool,
    content: bytes | None,
) -> None:
    results = f"az://{container.container_name}/lab" if stays else str(tmp_path / "out")
    first = run(asked, results)
    kept = container if stays else account.storage.get_client().get_container_client(account.storage.work_container)
    folder = f"-{first.tasks[0].task_id}/"
    (gone,) = [name for name in kept.list_blob_names() if folder in name and name.endswith("a.out")]
    if content is None:
        kept.delete_blob(gone)
    else:
        kept.upload_blob(gone, content, overwrite=True)
    if not stays:
        container.create_container()  # which is deleted at the end
    again = run(asked, results)
    assert [task.state for task in again.tasks] == ["succeeded", "skipped"]
    assert run(asked, results).counts.skipped == 2


def test_outputs_are_inputs_of_a_next_run_without_their_logs(
    container: ContainerClient, asked: dict[str, object], account_name: str | None
) -> None:
    first = run(asked, f"az://{container.container_name}/lab")
    for inputs in (first.results, f"az://{container.container_name}/lab"):
        asked = {"inputs": [inputs], "command": "cat {input}", "account": account_name}
        second = run(asked, f"az://{container.container_name}/second")
        assert [task.input for task in second.tasks] == [name for task in first.tasks for name in task.outputs]
    named = run(asked | {"inputs": [first.tasks[0].stdout]}, f"az://{container.container_name}/third")
    assert [task.input for task in named.tasks] == [first.tasks[0].stdout]


def test_the_address_of_a_run_means_all_that_it_has_succeeded_in(
    container: ContainerClient, asked: dict[str, object], two_files: Path, account_name: str | None, tmp_path: Path
) -> None:
    place = f"az://{container.container_name}/lab"
    once = asked | {"command": f"echo {tmp_path}; cat {{input}} > {{stem}}.out; grep -q alpha {{input}} || exit 3"}
    with pytest.raises(TasksFailed) as failed:
        run(once, place)
    (two_files / "c.txt").write_text("alpha too")
    with pytest.raises(TasksFailed) as partial:
        run(once, place)
    assert [task.state for task in partial.value.result.tasks] == ["skipped", "failed", "succeeded"]
    asked = {"inputs": [partial.value.result.results], "command": "cat {input}", "account": account_name}
    second = run(asked, f"az://{container.container_name}/second")
    assert sorted(read(container, task.stdout) for task in second.tasks) == ["alpha", "alpha too"]
    assert run(asked | {"inputs": [f"{partial.value.result.results}/"]}, place).counts.skipped == 2
    whole = run(asked | {"inputs": [place]}, f"az://{container.container_name}/second")
    assert [task.input for task in whole.tasks] == [task.input for task in second.tasks]
    container.delete_blob(f"lab/{failed.value.result.run_id}/{INDEX_NAME}")
    with pytest.raises(BadInput, match=r"has no index\.jsonl: it goes on, was killed"):
        run(asked | {"inputs": [failed.value.result.results]}, f"az://{container.container_name}/third")
    container.delete_blob(str(second.tasks[0].input).removeprefix(f"az://{container.container_name}/"))
    with pytest.raises(BadInput, match="which a run's index names, is gone: run its command again"):
        run(asked, f"az://{container.container_name}/third")


def test_what_was_kept_for_a_while_is_copied_once(
    container: ContainerClient, asked: dict[str, object], tmp_path: Path
) -> None:
    run(asked, str(tmp_path / "out"))
    place = f"az://{container.container_name}"
    first, second = run(asked, place), run(asked, place)
    assert (first.counts.skipped, second.counts.skipped) == (2, 2)
    assert [read(container, task.outputs[0]) for task in first.tasks] == ["alpha", "beta gamma"]
    assert [task.stderr for task in second.tasks] == [task.stderr for task in first.tasks]


def test_a_failed_task_is_told_with_its_standard_error(container: ContainerClient, asked: dict[str, object]) -> None:
    with pytest.raises(TasksFailed, match="stderr ends: no luck") as failed:
        run(asked, f"az://{container.container_name}/x", command="echo no luck >&2; exit 3", outputs=[])
    assert [read(container, task.stderr) for task in failed.value.result.tasks] == ["no luck\n"] * 2


def test_files_of_subtasks_come_there_too(container: ContainerClient, account_name: str | None) -> None:
    place = f"az://{container.container_name}/mpi"
    command = "/bin/sh -c 'echo here; hostname > host.txt'"
    result = mpi_flow(
        MpiParameters(command=command, outputs=["host.txt"], nodes=2, results=place, account=account_name)
    )
    (task,), (subtask,) = result.tasks, result.subtasks
    assert read(container, task.stdout).split() == ["here", "here"]
    assert len(task.outputs) == len(subtask.outputs) == 1
    (line,) = read(container, f"{result.results}/{INDEX_NAME}").splitlines()
    assert json.loads(line)["outputs"] == [*task.outputs, *subtask.outputs]
    assert read(container, subtask.outputs[0]).strip()
    assert "subtask-1/" in (subtask.stdout or "")
