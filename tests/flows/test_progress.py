"""What the Prefect UI shows while a run goes."""

from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact

from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.progress_artifact import ARTIFACT_KEY
from prefect_azure_batch.flows.status_page import ARTIFACT_KEY as PAGE_KEY


def artifacts(run_id: str, key: str) -> list[Artifact]:
    own = ArtifactFilterFlowRunId(any_=[UUID(run_id.removeprefix("map-"))])
    with get_client(sync_client=True) as client:
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]), flow_run_id=own)
        return client.read_artifacts(artifact_filter=wanted)


def test_a_run_that_takes_some_seconds_has_one_artifact_that_shows_its_end(
    account_name: str | None, two_files: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    asked = {"inputs": [str(two_files)], "command": "sleep 3", "results": str(tmp_path / "out"), "resume": False}
    result = map_flow(MapParameters.model_validate({**asked, "account": account_name, "nodes": 1, "slots": 2}))
    shown = [(each.data, each.description) for each in artifacts(result.run_id, ARTIFACT_KEY)]
    assert shown == [(100.0, "- 2 of 2 tasks have ended, 0 run, 0 wait")]
    pages = [str(each.data) for each in artifacts(result.run_id, PAGE_KEY)]
    assert len(pages) == (account_name is None)
    for page in pages:  # with no token
        assert "Status page" in page
        assert not any(urlsplit(part).fragment for part in page.replace("(", " ").replace(")", " ").split())
    assert "\x1b[" not in capfd.readouterr().err  # it is no terminal
