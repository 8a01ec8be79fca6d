"""Progress in the Prefect UI while a run goes."""

from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId, ArtifactFilterKey

from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.progress import ARTIFACT_KEY


def test_a_run_that_takes_some_seconds_has_one_artifact_that_shows_its_end(
    account_name: str | None, two_files: Path, tmp_path: Path
) -> None:
    asked = {"inputs": [str(two_files)], "command": "sleep 3", "results": str(tmp_path / "out"), "resume": False}
    result = map_flow(MapParameters.model_validate({**asked, "account": account_name, "nodes": 1, "slots": 2}))
    own = ArtifactFilterFlowRunId(any_=[UUID(result.run_id.removeprefix("map-"))])
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[ARTIFACT_KEY]), flow_run_id=own)
        )
    assert [(each.data, each.description) for each in found] == [(100.0, "2 of 2 tasks have ended, 0 run, 0 wait")]
