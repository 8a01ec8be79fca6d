"""Prefect's UI in a browser: all that a person does there to have a program run on Azure Batch, and to stop it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceNotFoundError
from playwright.sync_api import Browser, ViewportSize, expect

from localbatch.launcher import LocalAzure
from prefect_azure_batch.flows.account import local_account
from tests.support.browser import open_browser
from tests.support.prefect_pages import PrefectPages, lived_in
from tests.support.prefect_server import Prefect, running_prefect
from tests.support.processes import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
DESK = ViewportSize(width=1280, height=900)
MAP = "azure-batch-map/nightly-map"
KEY = "c2VjcmV0"


@dataclass(frozen=True)
class Lab:
    """A local Azure, and a Prefect whose worker has it."""

    azure: LocalAzure
    prefect: Prefect


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(
    browser: Browser,
    local_azure: LocalAzure,
    prefect_home: Callable[[], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lab]:
    connection = tmp_path_factory.mktemp("lab") / "connection.json"
    with (
        running_prefect(prefect_home(), REPOSITORY) as server,
        lived_in(server, local_azure.endpoints, connection) as prefect,
    ):
        yield Lab(local_azure, prefect)


@pytest.fixture
def pages(lab: Lab, browser: Browser) -> Iterator[PrefectPages]:
    with browser.new_context(viewport=DESK) as context:
        complaints: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield PrefectPages(page, lab.prefect.environment["PREFECT_API_URL"])
        assert complaints == []


def test_blocks_are_made_in_their_forms_and_a_run_with_them_is_followed_to_its_results(
    lab: Lab, pages: PrefectPages, two_files: Path, tmp_path: Path
) -> None:
    found = lab.azure.endpoints
    pages.begin_block("azure-storage-credentials", "lab-storage")
    pages.fill({"Account URL": found.blob_endpoint})
    pages.fill({"Account name": found.storage_account, "Account key": found.storage_key})
    pages.save_block()
    pages.begin_block("azure-batch-account", "lab")
    pages.fill({"Account endpoint": found.batch_endpoint})
    pages.fill({"Account name": found.batch_account, "Account key": found.batch_key})
    pages.choose_block("Storage", "lab-storage")
    pages.save_block()

    pages.go(f"{pages.deployment(MAP)}/run")
    pages.fill({"Inputs": [str(two_files)], "Command": "sleep 3; wc -c < {input}", "Account": "lab"})
    pages.fill({"Results": str(tmp_path / "results")})
    run = pages.submit_run()
    pages.expect_state("Completed")
    expect(pages.page.get_by_text("map: sleep 3; wc -c < {input}").first).to_be_visible()
    pages.open_artifact("batch-progress")
    expect(pages.page.get_by_text("2 of 2 tasks have ended").first).to_be_visible()
    pages.go(f"runs/flow-run/{run}")
    pages.open_artifact("batch-map-results")
    expect(pages.page.get_by_role("row").filter(has_text="succeeded")).to_have_count(2)
    written = {path.read_text().strip() for path in (tmp_path / "results").glob("*/stdout.txt")}
    assert written == {"5", "10"}


def test_a_run_that_is_cancelled_on_its_page_leaves_nothing_in_azure(
    lab: Lab, pages: PrefectPages, two_files: Path, tmp_path: Path
) -> None:
    client = local_account(lab.azure).get_client()
    pages.go(f"{pages.deployment(MAP)}/run")
    pages.fill({"Inputs": [str(two_files)], "Command": "sleep 600", "Results": str(tmp_path / "results")})
    name = f"map-{pages.submit_run()}"

    def runs() -> bool:
        try:
            return any(task.state == "running" for task in client.list_tasks(name))
        except ResourceNotFoundError:
            return False

    wait_until(runs, 60)
    pages.expect_state("Running")
    pages.cancel_run()
    pages.expect_state("Cancelled")
    wait_until(lambda: name not in {pool.id for pool in client.list_pools()}, 30)
    assert name not in {job.id for job in client.list_jobs()}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("Connection string", {"Connection string": f"AccountName=lab;AccountKey={KEY}"}),
        ("SAS", {"SAS token": f"sv=1&ss=b&srt=co&sig={KEY}"}),
        ("Service principal", {"Client ID": "c", "Tenant ID": "t", "Client secret": "s"}),
        ("Managed identity", {"Client ID": "c"}),
        ("Default", {}),
    ],
)
def test_every_kind_of_credential_can_be_chosen(
    lab: Lab, pages: PrefectPages, kind: str, fields: dict[str, str]
) -> None:
    name = kind.lower().replace(" ", "-")
    pages.begin_block("azure-storage-credentials", name)
    if kind != "Connection string":
        pages.fill({"Account URL": "https://lab.blob.core.windows.net"})
    pages.choose("Credential", kind)
    pages.fill(fields)
    pages.save_block()
