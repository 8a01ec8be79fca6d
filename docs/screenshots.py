"""Makes the pictures of docs/ui.md anew: ``python -m docs.screenshots``, or ``make screenshots``.

It starts a local Azure, a Prefect server and a worker, goes through the UI in a browser as tests/e2e/test_prefect_ui.py
does, and ends all that it has started. It takes about two minutes.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, FloatRect, ViewportSize, expect

from localbatch.launcher import LocalAzure
from tests.support.browser import open_browser
from tests.support.prefect_pages import PrefectPages, lived_in
from tests.support.prefect_server import make_home, running_prefect

DOCS = Path(__file__).parent
REPOSITORY = DOCS.parent
VIEWPORT = ViewportSize(width=1280, height=700)
MAP = "azure-batch-map/nightly-map"
INPUTS = "examples/*/inputs/*.txt"
COMMAND = "sleep {index}; wc -w < {input}"

# Logos come from the internet: a picture is the same where there is none.
_STYLE = "img[src^='https:'] { visibility: hidden }"


def main() -> None:
    """Makes all pictures."""
    home = Path(tempfile.mkdtemp(prefix="screenshots-"))
    try:
        with (
            LocalAzure(attach=False) as azure,
            running_prefect(make_home(home, home / "home"), REPOSITORY) as server,
            lived_in(server, azure.endpoints, home / "connection.json") as prefect,
            open_browser() as browser,
        ):
            _take_all(browser, prefect.environment["PREFECT_API_URL"], azure, home / "results")
    finally:
        shutil.rmtree(home)


@contextmanager
def _opened(browser: Browser, api: str) -> Iterator[PrefectPages]:
    with browser.new_context(viewport=VIEWPORT, color_scheme="light") as context:
        yield PrefectPages(context.new_page(), api)


def _take_all(browser: Browser, api: str, azure: LocalAzure, results: Path) -> None:
    with _opened(browser, api) as pages:
        _make_blocks(pages, azure)
        pages.go(f"{pages.deployment(MAP)}/run")
        pages.fill({"Inputs": [INPUTS], "Command": COMMAND, "Account": "lab", "Nodes": "3"})
        pages.fill({"Results": str(results)})
        pages.page.evaluate("window.scrollTo(0, 0)")
        _take(pages, "run-form")
        run = pages.submit_run()
        pages.expect_state("Running")
        pages.page.get_by_role("tab", name="Artifacts").click()
        expect(pages.page.get_by_text("batch-progress")).to_be_visible(timeout=60_000)
        _take(pages, "run-running")
        pages.open_artifact("batch-progress")
        expect(pages.page.get_by_text("Progress:")).to_be_visible()
        _take(pages, "progress")
        pages.go(f"runs/flow-run/{run}")
        pages.expect_state("Completed")
        pages.page.get_by_role("tab", name="Artifacts").click()
        expect(pages.page.get_by_text("batch-map-results")).to_be_visible()
        _take(pages, "run-completed")
        pages.open_artifact("batch-map-results")
        expect(pages.page.get_by_role("cell", name="succeeded").first).to_be_visible()
        _take(pages, "results")
        pages.go(f"runs/flow-run/{run}")
        pages.page.get_by_role("tab", name="Artifacts").click()
        pages.open_artifact("batch-report")
        expect(pages.page.get_by_role("img", name="Tasks on nodes over time")).to_be_visible()
        _take(pages, "report")
        pages.go(pages.deployment(MAP))
        pages.expect_state("Completed")
        _take(pages, "deployment")


def _make_blocks(pages: PrefectPages, azure: LocalAzure) -> None:
    found = azure.endpoints
    pages.begin_block("azure-storage-credentials", "lab-storage")
    pages.fill({"Account URL": found.blob_endpoint})
    pages.fill({"Account name": found.storage_account, "Account key": found.storage_key})
    _take(pages, "block-storage")
    pages.save_block()
    pages.begin_block("azure-batch-account", "lab")
    pages.fill({"Account endpoint": found.batch_endpoint})
    pages.fill({"Account name": found.batch_account, "Account key": found.batch_key})
    pages.choose_block("Storage", "lab-storage")
    _take(pages, "block-account")
    pages.save_block()


def _take(pages: PrefectPages, name: str) -> None:
    """Takes a picture of what stands beside the menu."""
    pages.page.wait_for_load_state("networkidle")
    left = 256
    clip = FloatRect(x=left, y=0, width=VIEWPORT["width"] - left, height=VIEWPORT["height"])
    pages.page.screenshot(path=DOCS / "ui" / f"{name}.png", clip=clip, style=_STYLE, animations="disabled")


if __name__ == "__main__":
    main()
