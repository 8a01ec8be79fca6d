"""A map in containers, on a local Azure whose nodes have a stand-in for podman."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.account import local_account
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from tests.support.containers import IMAGE, StandIn, make_stand_in

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    (tmp_path / "podman").mkdir()
    made = make_stand_in(tmp_path / "podman")
    monkeypatch.setenv("PATH", f"{made.programs}{os.pathsep}{os.environ['PATH']}")
    return made


@pytest.fixture
def account(podman: StandIn) -> Iterator[AzureBatchAccount]:
    with LocalAzure(attach=False) as azure:
        account = local_account(azure)
        account.save("in-containers", overwrite=True)
        yield account


def test_tasks_run_in_the_image_with_its_options_and_their_files_come_back(
    account: AzureBatchAccount, podman: StandIn, two_files: Path, tmp_path: Path
) -> None:
    result = map_flow(
        MapParameters.model_validate(
            {
                "account": "in-containers",
                "inputs": [str(two_files)],
                "command": "cat {input} > copy",
                "outputs": ["copy"],
                "new_pool": {"nodes": 1, "container": {"image": IMAGE, "run_options": "--shm-size=64m"}},
                "results": str(tmp_path / "out"),
            }
        )
    )
    copies = [Path(task.outputs[0]).read_text() for task in result.tasks]
    assert copies == [path.read_text() for path in sorted(two_files.iterdir())]
    made = [call for call in podman.calls("create") if "--shm-size=64m" in call]
    assert len(made) == 2
    assert all(IMAGE in call for call in made)
