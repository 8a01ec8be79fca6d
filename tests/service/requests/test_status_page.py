"""The status page's data: for its owner alone, of every account, never as anything a browser would run."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.batch import models

from localbatch.wire.connection import Endpoints
from tests.support.account import Account, shell

HOSTILE = "<script>alert(1)</script>"
PATHS = ("overview", "node", "tasks", "task", "files", "file")


def link(service: Endpoints) -> str:
    """The link to the page, as the service leaves it for its owner."""
    return Path(service.root, "page.url").read_text().strip()


@pytest.fixture
def page(service: Endpoints) -> Iterator[httpx.Client]:
    """A client with the token of the page."""
    address, _, token = link(service).partition("#")
    with httpx.Client(base_url=address, headers={"localbatch-page-token": token}, trust_env=False) as client:
        yield client


@pytest.fixture
def stranger(service: Endpoints) -> Iterator[httpx.Client]:
    """A client without it."""
    with httpx.Client(base_url=service.batch_endpoint, trust_env=False) as client:
        yield client


def data(page: httpx.Client, what: str, **parameters: object) -> dict[str, Any]:
    answer = page.get(f"/localbatch/status/{what}", params={k: str(v) for k, v in parameters.items()})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_link_is_for_the_owner_alone(service: Endpoints) -> None:
    file = Path(service.root, "page.url")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert link(service).startswith(f"{service.batch_endpoint}/#")


def test_the_page_itself_is_for_everybody_and_tells_nothing(stranger: httpx.Client, service: Endpoints) -> None:
    answer = stranger.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    for name in ("style.css", "main.js", "icon.svg"):
        file = stranger.get(f"/localbatch/page/{name}")
        assert file.status_code == 200
        assert file.headers["x-content-type-options"] == "nosniff"
    assert stranger.get("/localbatch/page/../service/status.py").status_code in (404, 403)
    assert stranger.get("/localbatch/page/nothing.js").status_code == 404
    assert service.root not in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_shown(stranger: httpx.Client, service: Endpoints, path: str) -> None:
    token = link(service).partition("#")[2]
    url = f"/localbatch/status/{path}"
    for headers in ({}, {"localbatch-page-token": token[:-1]}, {"localbatch-page-token": ""}, {"cookie": token}):
        answer = stranger.get(url, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "AuthenticationFailed")
    assert stranger.get(f"{url}?localbatch-page-token={token}").status_code == 403
    # The header has to be asked for, and no other page is ever allowed to send it.
    asked = stranger.options(url, headers={"origin": "http://example.com", "access-control-request-method": "GET"})
    assert asked.status_code == 405
    assert not any(name.startswith("access-control") for name in asked.headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(page: httpx.Client, method: str) -> None:
    assert page.request(method, "/localbatch/status/overview").status_code == 405


def test_signed_requests_go_to_batch_as_ever(batch: Account) -> None:
    assert batch.send("GET", "/").json()["code"] == "InvalidUri"
    assert batch.send("GET", "/localbatch/status/overview").json()["code"] == "InvalidUri"


def test_the_overview_counts(batch: Account, page: httpx.Client) -> None:
    batch.make_pool(nodes=2, task_slots_per_node=2)
    batch.make_job()
    batch.add_task("sleep 600", "running")
    batch.await_task("running", state="running")
    for name, command in (("good", "true"), ("bad", "false")):
        batch.add_task(command, name)
        batch.await_task(name)
    found = data(page, "overview", account=batch.name)
    assert found["account"] == batch.name
    assert batch.name in found["accounts"]
    (pool,), (job,) = found["pools"], found["jobs"]
    assert (pool["id"], pool["slots"], len(pool["nodes"])) == ("pool", 2, 2)
    assert sorted(node[2:4] for node in pool["nodes"]) == [["idle", 0], ["running", 1]]
    assert job["tasks"] == {"active": 0, "running": 1, "succeeded": 1, "failed": 1}
    (number,) = (node[0] for node in pool["nodes"] if node[3])
    node = data(page, "node", account=batch.name, pool="pool", node=number)
    assert node["running"] == [{"job": "job", "task": "running", "state": "running", "result": None}]


def test_a_task_that_waits_has_no_files_yet(batch: Account, page: httpx.Client) -> None:
    batch.make_job()
    batch.add_task("true")
    found = data(page, "files", account=batch.name, job="job", task="task")
    assert found == {"files": [], "count": 0, "message": "The files of the specified task are unavailable."}


def test_tasks_come_by_pages_and_by_state(batch: Account, page: httpx.Client) -> None:
    batch.make_job()
    options = [models.BatchTaskCreateOptions(id=f"t{n}", command_line=shell("true")) for n in range(120)]
    batch.client.create_tasks("job", options)
    first = data(page, "tasks", account=batch.name, job="job", kind="all", after=0)
    second = data(page, "tasks", account=batch.name, job="job", kind="active", after=first["next"])
    ids = [task["id"] for part in (first, second) for task in part["tasks"]]
    assert (len(ids), len(set(ids)), second["next"]) == (120, 120, None)
    assert data(page, "tasks", account=batch.name, job="job", kind="failed")["tasks"] == []


def test_what_tasks_write_is_plain_text(batch: Account, page: httpx.Client) -> None:
    batch.run(f'echo "{HOSTILE}" | tee page.html; yes 0123456789 | head -c 300000 > large.txt')
    names = {"account": batch.name, "job": "job", "task": "task"}
    files = data(page, "files", **names)["files"]
    assert {"name": "wd/page.html", "size": len(HOSTILE) + 1} in files
    answer = page.get("/localbatch/status/file", params={**names, "name": "wd/page.html"})
    assert answer.text == f"{HOSTILE}\n"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    large = page.get("/localbatch/status/file", params={**names, "name": "wd/large.txt"})
    assert (len(large.content), large.headers["localbatch-file-size"]) == (256 * 1024, "300000")
    for name in ("../../../../identity.json", "/etc/passwd", "wd", "none", ""):
        assert page.get("/localbatch/status/file", params={**names, "name": name}).status_code == 404


@pytest.mark.parametrize(
    ("what", "parameters", "code"),
    [
        ("node", {"pool": "none"}, "PoolNotFound"),
        ("node", {"node": "x"}, "InvalidQueryParameterValue"),
        ("node", {"node": "9" * 40}, "InvalidQueryParameterValue"),
        ("tasks", {"job": "none"}, "JobNotFound"),
        ("tasks", {"job": "none", "after": "-1"}, "InvalidQueryParameterValue"),
        ("task", {"job": "none"}, "JobNotFound"),
        ("file", {"job": "\0\ud800".encode("utf-8", "replace").decode()}, "JobNotFound"),
        ("everything", {}, "ResourceNotFound"),
    ],
)
def test_what_is_not_there_is_said_to_be_so(
    page: httpx.Client, what: str, parameters: dict[str, str], code: str
) -> None:
    answer = page.get(f"/localbatch/status/{what}", params=parameters)
    assert answer.json()["code"] == code
    assert answer.status_code in (400, 404)


def test_the_page_has_no_secrets_to_show(batch: Account, page: httpx.Client, service: Endpoints) -> None:
    batch.make_job()
    batch.add_task("true", environment_settings=[models.EnvironmentSetting(name="SECRET", value="hidden")])
    names = {"account": batch.name, "job": "job", "task": "task"}
    for what in ("overview", "tasks", "task"):
        text = str(data(page, what, **names))
        assert "hidden" not in text
        assert service.batch_key not in text
