"""Prefect's UI in a browser, as a person goes through it: for tests, and for the pictures in docs."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import httpx
from playwright.sync_api import Locator, Page, Response, expect

from localbatch.launcher import CONNECTION_VARIABLE
from localbatch.wire.connection import Endpoints
from tests.support.prefect_server import Prefect

POOL = "azure-batch"
_DEPLOYMENTS = Path(__file__).resolve().parents[2] / "deployments" / "prefect.yaml"
_ATTEMPTS = 5
# A person would not wait ten seconds each time that a worker looks for work or for what is cancelled.
_EAGER = {"PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}


@contextmanager
def lived_in(server: Prefect, endpoints: Endpoints, connection: Path) -> Iterator[Prefect]:
    """A Prefect server as a team has it: the blocks are known, the flows deployed, and a worker runs.

    Args:
        server: the server, with nothing in it.
        endpoints: the local Azure that flows without an account run on.
        connection: file to write that names it.
    """
    connection.write_text(endpoints.to_line())
    prefect = replace(server, environment=server.environment | _EAGER | {CONNECTION_VARIABLE: str(connection)})
    api = prefect.environment["PREFECT_API_URL"]
    for pool, kind in ((POOL, "process"), ("batch-docker", "docker")):
        httpx.post(f"{api}/work_pools/", json={"name": pool, "type": kind}, trust_env=False).raise_for_status()
    with prefect.worker(POOL):
        prefect.run_python("-c", _PREPARE, "deploy", "--all", "--prefect-file", str(_DEPLOYMENTS))
        yield prefect


# As the command line does it, whose start would be paid for each command.
_PREPARE = """
import runpy
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool

AzureBatchAccount.register_type_and_schema()
AzureBatchPool.register_type_and_schema()
runpy.run_module("prefect", run_name="__main__")
"""


@dataclass(frozen=True)
class PrefectPages:
    """The pages of one server, in one tab of a browser.

    Attributes:
        page: the tab.
        api: address of the server's API.
    """

    page: Page
    api: str

    def go(self, path: str) -> None:
        """Opens a page of the UI, and waits until it has all that it asks the server for."""
        self.page.goto(f"{self.api.removesuffix('/api')}/v2/{path}", wait_until="networkidle")

    def deployment(self, name: str) -> str:
        """The path of a deployment's page.

        Args:
            name: flow and deployment, with a slash between them.
        """
        found = httpx.get(f"{self.api}/deployments/name/{name}", trust_env=False)
        return f"deployments/deployment/{found.raise_for_status().json()['id']}"

    def field(self, title: str) -> Locator:
        """The field of a form with a title, with all that belongs to it."""
        label = self.page.locator("label").filter(has_text=re.compile(rf"^(.* — )?{title}( \(Optional\))?$"))
        return self.page.locator("div.group").filter(has=label).last

    def fill(self, values: Mapping[str, str | list[str]]) -> None:
        """Fills in fields.

        Args:
            values: texts by the titles of their fields, or lists of texts for fields that take several.
        """
        for title, value in values.items():
            field = self.field(title)
            if isinstance(value, str):
                field.locator("input, textarea").first.fill(value)
                continue
            for text in value:
                field.get_by_role("button", name="Add item").click()
                field.locator("textarea").last.fill(text)

    def choose(self, title: str, kind: str) -> None:
        """Chooses one of the kinds that a field can be of."""
        self.field(title).get_by_role("tab", name=kind, exact=True).click()

    def choose_block(self, title: str, name: str) -> None:
        """Chooses a block that is there."""
        self.field(title).get_by_role("button", name="Select a block").click()
        self.page.get_by_role("option", name=name, exact=True).click()

    def begin_block(self, kind: str, name: str) -> None:
        """Opens the form of a new block.

        Args:
            kind: slug of the block's type.
            name: what the block shall be called.
        """
        self.go(f"blocks/catalog/{kind}/create")
        self.page.locator("input[name=blockName]").fill(name)

    def save_block(self) -> None:
        """Saves the block whose form is open."""
        self._send("Save", "/block_documents/")
        self.page.wait_for_url("**/blocks/block/*")

    def submit_run(self) -> str:
        """Submits the form of a run, and goes to the run's page.

        Returns:
            The id of the flow run.
        """
        run = str(self._send("Submit", "/create_flow_run").json()["id"])
        self.go(f"runs/flow-run/{run}")
        return run

    def _send(self, button: str, path: str) -> Response:
        """Sends a form, again if the server is too busy with its SQLite, as it tells a person who tries once more."""
        for _ in range(_ATTEMPTS):
            with self.page.expect_response(lambda response: response.url.endswith(path)) as answer:
                self.page.get_by_role("button", name=button, exact=True).click()
            if answer.value.status != HTTPStatus.SERVICE_UNAVAILABLE:
                return answer.value
        raise AssertionError(f"The server was too busy for {path} {_ATTEMPTS} times")

    def expect_state(self, state: str, seconds: float = 60) -> None:
        """Waits until the page of a flow run shows a state."""
        expect(self.page.locator("main").get_by_text(state, exact=True).first).to_be_visible(timeout=seconds * 1000)

    def cancel_run(self) -> None:
        """Cancels the flow run whose page is open."""
        self.page.get_by_role("button", name="Open menu").click()
        self.page.get_by_role("menuitem", name="Cancel").click()
        self.page.get_by_role("button", name="Cancel Flow Run").click()

    def open_artifact(self, key: str) -> None:
        """Opens what was last told under the key of an artifact, by the flow run whose page is open."""
        self.page.get_by_role("tab", name="Artifacts").click()
        self.page.get_by_text(key, exact=True).click()
        self.page.wait_for_url("**/artifacts/key/*")
        self.page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).first.click()
        self.page.wait_for_url("**/artifacts/artifact/*")
