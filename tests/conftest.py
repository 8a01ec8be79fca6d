"""What tests of several kinds share. Nothing is started, and Prefect not imported, before a test asks for it."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from localbatch.launcher import LocalAzure
    from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount


ROOT = Path(__file__).resolve().parents[1]
# What Python and its tools keep for themselves in a checkout, and environments that developers have there.
_TOOLS = {".git", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".venv", "venv"}
_FILES = pytest.StashKey[frozenset[str]]()


def files_of_the_checkout() -> frozenset[str]:
    """All files below the project's directory, without those of tools."""
    found = []
    for folder, names, files in os.walk(ROOT):
        names[:] = [name for name in names if name not in _TOOLS and not name.endswith(".egg-info")]
        found += [Path(folder, name).relative_to(ROOT).as_posix() for name in files]
    return frozenset(found)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: much of the time tests wait for services."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    """Refuses several processes where ``tests/live`` costs money: what all may cost together is known to one alone."""
    if config.getoption("numprocesses", None) and any(name.startswith("AZURE_BATCH_LIVE_") for name in os.environ):
        raise pytest.UsageError("AZURE_BATCH_LIVE_... name a real account: run `pytest -n 0 tests/live`, or unset them")


def _isolate_prefect() -> None:
    """Keeps the tests and the developer's own Prefect apart; Prefect reads these settings when it is imported."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    home = tempfile.mkdtemp(prefix="prefect-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {"PREFECT_HOME": home, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}


_isolate_prefect()
# The tests start hundreds of programs of this checkout: each would compile all of it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# How long an example takes tells of what else the machine does; no property here is one of time.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")
# A shell starts what runs in its background with this one ignored, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Makes a new home directory of Prefect whose database is there."""
    from tests.support.prefect_server import make_home

    base = tmp_path_factory.getbasetemp()
    workers = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    # A pytest that a test starts finds it, too.
    shared = Path(os.environ.setdefault("HOMES_OF_THE_TESTS", str(workers)))
    return lambda: make_home(shared, tmp_path_factory.mktemp("prefect") / "home")


@pytest.fixture(scope="session")
def prefect_server(prefect_home: Callable[[], Path]) -> Iterator[str]:
    """A Prefect server with a database of its own; gives the URL of its API."""
    from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from tests.support.prefect_server import running_prefect

    with running_prefect(prefect_home(), ROOT) as prefect:
        url = prefect.environment["PREFECT_API_URL"]
        # The heartbeat's thread sleeps, and holds each flow run up for a second at its end.
        with temporary_settings({PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield url


@pytest.fixture(scope="session")
def local_azure() -> "Iterator[LocalAzure]":
    """A local Azure for all tests that do not need one of their own."""
    from localbatch.launcher import LocalAzure

    with LocalAzure(attach=False) as azure:
        yield azure


@pytest.fixture
def azure(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[LocalAzure]":
    """The local Azure of the tests, to which flows attach while the test runs."""
    from localbatch.launcher import CONNECTION_VARIABLE

    local_azure: LocalAzure = request.getfixturevalue("local_azure")
    file = tmp_path_factory.mktemp("azure") / "connection.json"
    file.write_text(local_azure.endpoints.to_line())
    os.environ[CONNECTION_VARIABLE] = str(file)
    yield local_azure
    del os.environ[CONNECTION_VARIABLE]


@pytest.fixture(scope="session")
def account(local_azure: "LocalAzure") -> "AzureBatchAccount":
    """The account that stages and flows are tested with; what a real one is asked for stands in ``tests/live``."""
    from prefect_azure_batch.flows.account import local_account

    return local_account(local_azure)


@pytest.fixture
def account_name(azure: "LocalAzure", prefect_server: str) -> None:
    """What a flow is given as its account: nothing, so that it attaches to the local Azure."""


@pytest.fixture
def two_files(tmp_path: Path) -> Path:
    """A directory with two small files."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    (folder / "a.txt").write_text("alpha")
    (folder / "b.txt").write_text("beta gamma")
    return folder


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remembers what is in the checkout before the first test."""
    if not hasattr(session.config, "workerinput"):
        session.config.stash[_FILES] = files_of_the_checkout()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands what this worker has heard on to the process that reports, which looks for what tests have left."""
    from tests.conformity.listener import HEARD, NOTES

    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["heard"], output["notes"] = dict(HEARD), NOTES
        return
    before: frozenset[str] = session.config.stash[_FILES]
    left = sorted(files_of_the_checkout() - before)
    if left:
        NOTES.append(f"FAILED: the tests have written into the checkout: {', '.join(left)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Adds up what the workers have heard."""
    from tests.conformity.listener import HEARD, NOTES

    output = getattr(node, "workeroutput", {})
    HEARD.update(output.get("heard", {}))
    NOTES.extend(output.get("notes", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tells how many answers of the local Batch service were checked against its schema."""
    from tests.conformity.listener import HEARD, NOTES
    from tests.conformity.operations import OPERATIONS

    if HEARD:
        known = sum(1 for operation in OPERATIONS if HEARD[operation.name])
        operations = f"{known} of {len(OPERATIONS)} operations"
        terminalreporter.write_line(f"{HEARD.total()} answers of {operations} were checked against Azure's schema")
    for note in NOTES:
        terminalreporter.write_line(note)
