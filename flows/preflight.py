"""What can be seen to be wrong with a run before an account is opened or Prefect imported."""

from pathlib import Path

from flows.parameters import MapParameters
from tasks.errors import BadInput
from tasks.inputs import BLOB_SCHEME, find_inputs
from tasks.program import check_program


def check_locally(run: MapParameters) -> None:
    """Refuses what can be seen to be wrong without an account.

    Raises:
        BadInput: says what is wrong.
    """
    files = [pattern for pattern in run.inputs if not pattern.startswith(BLOB_SCHEME)]
    if files:
        find_inputs(files, lambda container, prefix: [])
    if run.app and package_of(run.app) is None:
        check_program(Path(run.app))
    if run.results and Path(run.results).exists() and not Path(run.results).is_dir():
        raise BadInput(f"The results directory {run.results!r} is a file: name a directory.")


def package_of(app: str) -> tuple[str, str] | None:
    """``id:version`` of an application package; None if ``app`` is a path."""
    application_id, colon, version = app.partition(":")
    return (application_id, version) if colon and version and not Path(app).exists() else None
