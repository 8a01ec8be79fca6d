"""What a run from the command line needs besides itself, started while Prefect is imported, which takes seconds.

Nothing here imports Prefect. Whoever needs one of the services takes it; what nobody has taken ends with the context.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import BaseModel

from localbatch.launcher import CONNECTION_VARIABLE, LocalAzure
from prefect_azure_batch.flows.server_process import ServerProcess
from prefect_azure_batch.tasks.launcher import DEFAULT_MPI

_URL_SETTING = "PREFECT_API_URL"

_server: list[ServerProcess] = []
_azure: dict[tuple[str, ...], LocalAzure] = {}


@contextmanager
def early_starts(run: BaseModel) -> Iterator[None]:
    """Begins to start a Prefect server and a local Azure, where the run needs them.

    Args:
        run: what the command line asks for.
    """
    with ExitStack() as untaken:
        untaken.callback(_end_untaken)
        if getattr(run, "account", None) is None and CONNECTION_VARIABLE not in os.environ:
            options = azure_options(getattr(run, "mpi", None))
            _azure[options] = LocalAzure(options=options, wait=False)
        if not _may_have_server():
            _server.append(ServerProcess())
        yield


def azure_options(mpi: str | None) -> tuple[str, ...]:
    """Options of a local Azure.

    Args:
        mpi: the MPI that its nodes must have; None if it does not matter.
    """
    return (f"--mpi={mpi or DEFAULT_MPI}",)


def take_server() -> ServerProcess | None:
    """The Prefect server that was started; None if there is none. It belongs to the caller now."""
    return _server.pop() if _server else None


def take_azure(options: tuple[str, ...]) -> LocalAzure | None:
    """The local Azure that was started with such options; None if there is none. It belongs to the caller now."""
    return _azure.pop(options, None)


def _end_untaken() -> None:
    with ExitStack() as stack:
        stack.callback(_server.clear)
        stack.callback(_azure.clear)
        for stop in [*(server.stop for server in _server), *(azure.stop for azure in _azure.values())]:
            stack.callback(stop)


def _may_have_server() -> bool:
    """Whether a Prefect server may be configured, as far as can be seen without Prefect, which knows where to look."""
    if _URL_SETTING in os.environ:
        return True
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    return (
        _holds(profiles, _URL_SETTING)
        or _holds(Path(".env"), _URL_SETTING)
        or _holds(Path("prefect.toml"), "url")
        or _holds(Path("pyproject.toml"), "[tool.prefect")
    )


def _holds(file: Path, text: str) -> bool:
    try:
        return text in file.read_text(errors="replace")
    except OSError:
        return False
