"""What a run from the command line needs is started beside the import of Prefect, and ends whatever happens."""

from pathlib import Path

import psutil
import pytest

from prefect_azure_batch.flows.early_starts import azure_options, early_starts, take_azure, take_server
from prefect_azure_batch.flows.map_parameters import MapParameters


def children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory and a home in which no server is configured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    for name in ("PREFECT_API_URL", "PREFECT_PROFILES_PATH", "LOCALBATCH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_what_nobody_takes_ends_at_once(nowhere: Path) -> None:
    before = children()
    with early_starts(MapParameters()):
        assert len(children() - before) == 2
    assert children() == before
    assert take_server() is None
    assert take_azure(azure_options(None)) is None


def test_what_is_taken_is_the_takers(nowhere: Path) -> None:
    with early_starts(MapParameters()):
        azure = take_azure(azure_options(None))
        assert azure is not None
        assert take_azure(azure_options(None)) is None
    with azure:
        azure.wait()
        assert azure.endpoints.batch_endpoint.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("home/profiles.toml", '[profiles.lab]\nPREFECT_API_URL = "http://127.0.0.1:4200/api"\n'),
        (".env", "PREFECT_API_URL=http://127.0.0.1:4200/api\n"),
        ("prefect.toml", '[api]\nurl = "http://127.0.0.1:4200/api"\n'),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://127.0.0.1:4200/api"\n'),
    ],
)
def test_no_server_is_started_where_one_may_be_configured(nowhere: Path, name: str, text: str) -> None:
    file = nowhere / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    before = children()
    with early_starts(MapParameters(account="lab")):
        assert children() == before
