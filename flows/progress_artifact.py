"""The progress artifact of a flow run, made once and changed in place."""

from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from prefect_azure_batch.flows.telling import telling_prefect

ARTIFACT_KEY = "batch-progress"


class ProgressArtifact:
    """Shows in the Prefect UI how far a run is."""

    def __init__(self) -> None:
        self._id: UUID | None = None
        self._told: tuple[float, str] | None = None

    def show(self, percent: float, text: str) -> None:
        """Shows how far it is now; what is shown already is not sent again.

        Args:
            percent: of its tasks that have ended.
            text: Markdown.
        """
        percent = round(percent, 1)  # the UI shows all digits
        if self._told == (percent, text):
            return
        self._told = percent, text
        with telling_prefect("the progress"):
            if self._id is None:
                found = create_progress_artifact(progress=percent, key=ARTIFACT_KEY, description=text)
                self._id = found if isinstance(found, UUID) else None
            else:
                update_progress_artifact(self._id, progress=percent, description=text)
