"""Flows deployed to a real Prefect server and worker: from the checkout, and from a project that has the wheel.

The project has packages of its own that are called tasks, flows and blocks.
"""

import asyncio
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from localbatch.launcher import CONNECTION_VARIABLE
from tests.support.prefect_server import Prefect, running_prefect
from tests.support.processes import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]
LIMIT = 300

PROJECT = {
    "tasks/__init__.py": "",
    "tasks/words.py": "COMMAND = 'wc -w < {input}'\n",
    "blocks/__init__.py": "",
    "blocks/lab.py": """
from prefect_azure_batch import AzureBatchAccount, AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import BatchSharedKey, StorageAccountKey

storage = AzureStorageCredentials(
    account_url="https://lab.blob.core.windows.net",
    credential=StorageAccountKey(account_name="lab", account_key="c2VjcmV0"),
)
storage.save("lab-storage")
AzureBatchAccount(
    endpoint="https://lab.westeurope.batch.azure.com",
    credential=BatchSharedKey(account_name="lab", account_key="c2VjcmV0"),
    storage=storage,
).save("lab")
assert AzureStorageCredentials.load("lab-storage").credential == storage.credential
loaded = AzureBatchAccount.load("lab")
print(loaded.endpoint, loaded.storage.account_url, type(loaded).__module__)
""",
    "flows/__init__.py": "",
    "flows/nightly.py": """
from pathlib import Path

from prefect import flow

from prefect_azure_batch import MapParameters, map_flow
from tasks.words import COMMAND

DATA = str(Path(__file__).parents[1] / "data")


@flow(name="nightly")
def nightly(results: str) -> list[str]:
    result = map_flow(MapParameters(inputs=[DATA], command=COMMAND, results=results))
    return [Path(task.stdout).read_text() for task in result.tasks]
""",
    "data/a.txt": "one two\n",
    "data/b.txt": "one two three\n",
    "prefect.yaml": """
name: mine
deployments:
  - name: mine
    entrypoint: flows/nightly.py:nightly
    work_pool: {name: azure-batch}
  - name: theirs
    entrypoint: prefect_azure_batch.flows.map_flow.map_flow
    work_pool: {name: azure-batch}
""",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist."""
    target = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, timeout=LIMIT)
    assert len(list(target.glob("*.tar.gz"))) == 1
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a fresh environment: what the project needs is there, and of the project the wheel alone."""
    home = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True, timeout=LIMIT)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, str(wheel)], check=True, timeout=LIMIT)
    # A directory named in such a file is searched, but the files of that kind in it are not read: so the checkout,
    # which one of them names in the environment of the tests, is out of reach.
    site = subprocess.run([str(python), "-c", "import site; print(site.getsitepackages()[0])"], check=True,
                          capture_output=True, text=True).stdout.strip()  # fmt: skip
    Path(site, "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return python


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with packages of the user's own."""
    for name, text in PROJECT.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "project"


@pytest.fixture(scope="module")
def server(prefect_home: Callable[[], Path]) -> Iterator[Prefect]:
    """A Prefect server with a work pool, as the checkout uses it."""
    with running_prefect(prefect_home(), REPOSITORY) as prefect:
        prefect.run("work-pool", "create", "azure-batch", "--type", "process")
        yield prefect


def call(api: SyncPrefectClient, method: Any, path: Any, body: object = None) -> Any:
    """What the server answers; the client asks again where SQLite is locked."""
    answer = api.request(method, path, json=body)
    return answer.json() if answer.content else None


@pytest.fixture(scope="module")
def api(server: Prefect) -> Iterator[SyncPrefectClient]:
    """The same server, once all that the project ships is deployed to it; containers need no engine for that."""
    with SyncPrefectClient(server.environment["PREFECT_API_URL"]) as client:
        types = call(client, "GET", "/collections/views/aggregate-worker-metadata")
        template = types["prefect-docker"]["docker"]["default_base_job_configuration"]
        pool = {"name": "batch-docker", "type": "docker", "base_job_template": template}
        call(client, "POST", "/work_pools/", pool)
        server.run("deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
        yield client


@pytest.fixture
def prefect(server: Prefect, project: Path, python: Path) -> Prefect:
    """The same, as the project uses it."""
    return replace(server, directory=project, python=str(python))


def test_an_editable_install_copies_nothing(tmp_path: Path) -> None:
    build = f"from hatchling.build import build_editable; build_editable({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=REPOSITORY, check=True, capture_output=True, timeout=LIMIT)
    (built,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert len(names) == 1
    assert names[0].endswith(".pth")


def test_what_is_shipped_starts_nothing_by_itself_and_runs_in_containers(api: SyncPrefectClient) -> None:
    shipped = found(api, "deployments")
    assert [one["name"] for one in shipped for schedule in one["schedules"] if schedule["active"]] == []
    docker = [one for one in shipped if one["work_pool_name"] == "batch-docker"]
    assert sorted(one["name"] for one in docker) == ["mpi-docker", "nightly-map-docker", "upkeep-docker"]
    for one in docker:
        assert one["pull_steps"] in ([], None)
        assert one["job_variables"]["image"].startswith("prefect-azure-batch:")
        assert one["job_variables"]["networks"] == ["prefect"]
        assert one["global_concurrency_limit"]["limit"] == 1
    assert {one["name"]: one["enabled"] for one in found(api, "automations")} == {
        "azure-batch-new-blob": False,
        "azure-batch-upkeep-after-crash": True,
    }


@pytest.mark.usefixtures("api")
def test_the_deployed_flows_are_run_by_a_worker_and_finish(server: Prefect, tmp_path: Path) -> None:
    listed = json.loads(server.run("deployment", "inspect", "azure-batch-map/nightly-map", "--output", "json"))
    (schedule,) = listed["schedules"]
    assert (schedule["schedule"]["cron"], schedule["active"]) == ("15 2 * * *", False)
    server.run("deployment", "schedule", "resume", "azure-batch-map/nightly-map", schedule["id"])
    with server.worker("azure-batch"):
        # Both at once; the second is waited for here, the first below.
        for name, watch in (("azure-batch-map/nightly-map", ()), ("azure-batch-mpi/mpi", ("--watch",))):
            run = json.dumps({"results": str(tmp_path / name)})
            server.run("deployment", "run", name, "--param", f"run={run}", *watch)
        mapped = tmp_path / "azure-batch-map" / "nightly-map"
        wait_until(lambda: len(list(mapped.glob("*/stdout.txt"))) == 4, 120)
        wait_until(lambda: server.scheduled("azure-batch-map") > 1, 60)  # of the nights to come
    (stdout,) = (tmp_path / "azure-batch-mpi" / "mpi").glob("mpi-*/stdout.txt")
    assert "Total sum = 36" in stdout.read_text()


def test_the_image_of_a_worker_runs_the_flows(wheel: Path, tmp_path: Path) -> None:
    engine = shutil.which("docker")
    if engine is None or subprocess.run([engine, "info"], capture_output=True, timeout=30, check=False).returncode:
        pytest.skip("no container engine runs here: `docker info` has failed")
    (tmp_path / "dist").mkdir()
    shutil.copy(wheel, tmp_path / "dist")
    shutil.copy(REPOSITORY / "constraints.txt", tmp_path)
    tag = f"prefect-azure-batch:{uuid.uuid4().hex}"
    build = [engine, "build", "--file", str(REPOSITORY / "deployments" / "Dockerfile"), "--tag", tag, str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True, timeout=LIMIT)
    run = [engine, "run", "--rm", tag, "sh", "-c", "id -u && azure-batch-map --help"]
    shown = subprocess.run(run, check=True, capture_output=True, text=True, timeout=LIMIT).stdout
    assert shown.startswith("10001\nusage: azure-batch-map")
    subprocess.run([engine, "image", "rm", tag], check=True, capture_output=True, timeout=LIMIT)


def test_the_wheel_holds_two_packages_and_nothing_that_a_project_calls_its_own(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"prefect_azure_batch", "localbatch"}
    files = {"flows/map_flow.py", "examples/map/app/myapp", "tasks/prices.csv"}
    assert {f"prefect_azure_batch/{name}" for name in files} <= {*names}


def test_a_project_with_such_packages_runs_deploys_and_saves_blocks(
    prefect: Prefect, project: Path, python: Path, tmp_path: Path
) -> None:
    where = prefect.run_python("-c", "import prefect_azure_batch.flows as f, tasks; print(f.__file__, tasks.__file__)")
    assert where.split() == [
        str(next(python.parents[1].glob("lib/python*/site-packages/prefect_azure_batch/flows/__init__.py"))),
        str(project / "tasks" / "__init__.py"),
    ]
    # The console script, and the module.
    script = str(python.with_name("azure-batch-map"))
    options = ("--inputs", "data", "--command", "wc -c < {input}", "--json", "--results", str(tmp_path / "script"))
    result = json.loads(prefect.run_python(script, *options))
    assert [Path(task["stdout"]).read_text().strip() for task in result["tasks"]] == ["8", "14"]
    assert "usage: azure-batch-mpi" in prefect.run_python(str(python.with_name("azure-batch-mpi")), "--help")
    assert "--no-storage" in prefect.run_python(str(python.with_name("localbatch")), "--help")
    module = prefect.run_python("-m", "prefect_azure_batch.flows.map_flow", "--help")
    assert "usage: python -m prefect_azure_batch.flows.map_flow" in module

    # Blocks: registered, saved and loaded.
    for name in ("azure_batch", "azure_storage"):
        prefect.run("block", "register", "-m", f"prefect_azure_batch.blocks.{name}")
    told = prefect.run_python("-m", "blocks.lab").split()
    assert told == [
        "https://lab.westeurope.batch.azure.com",
        "https://lab.blob.core.windows.net",
        "prefect_azure_batch.blocks.azure_batch",
    ]

    # A flow of the project's own that runs ours, and ours by its module, both by a worker.
    prefect.run("deploy", "--all")
    with prefect.worker("azure-batch"):
        mine = json.dumps(str(tmp_path / "mine"))
        prefect.run("deployment", "run", "nightly/mine", "--param", f"results={mine}")
        theirs = json.dumps({"results": str(tmp_path / "theirs")})
        prefect.run("deployment", "run", "azure-batch-map/theirs", "--param", f"run={theirs}", "--watch")
        wait_until(lambda: words_in(tmp_path / "mine") == ["2", "3"], 120)
    assert len(list((tmp_path / "theirs").glob("*/stdout.txt"))) == 4


def deployment(api: SyncPrefectClient, name: str) -> dict[str, Any]:
    about: dict[str, Any] = call(api, "GET", f"/deployments/name/{name}")
    return about


def found(api: SyncPrefectClient, what: str, **asked: object) -> list[dict[str, Any]]:
    some: list[dict[str, Any]] = call(api, "POST", f"/{what}/filter", asked)
    return some


def runs_of(api: SyncPrefectClient, name: str) -> list[dict[str, Any]]:
    return found(api, "flow_runs", deployments={"id": {"any_": [deployment(api, name)["id"]]}})


def events(api: SyncPrefectClient, name: str, about: str) -> list[dict[str, Any]]:
    asked = {"event": {"name": [name]}, "any_resource": {"id": [about]}, "order": "ASC"}
    some: list[dict[str, Any]] = call(api, "POST", "/events/filter", {"filter": asked})["events"]
    return some


def attached() -> dict[str, str]:
    """The variable by which runs attach to the local Azure of the tests, which outlives them."""
    return {CONNECTION_VARIABLE: os.environ[CONNECTION_VARIABLE]}


def words_in(results: Path) -> list[str]:
    return sorted(path.read_text().strip() for path in results.glob("*/stdout.txt"))


@pytest.fixture
def relay(api: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., httpx.Response]]:
    """Sends what Event Grid would to the relay, which talks to the server."""
    monkeypatch.setenv("RELAY_KEY", "sesame")

    async def send(messages: object, key: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://relay") as client:
            return await client.post("/events", params={"key": key}, json=messages)

    with temporary_settings({PREFECT_API_URL: str(api.api_url).rstrip("/")}):
        transport = httpx.ASGITransport(shipped("relay").app)
        yield lambda messages, key="sesame": asyncio.run(send(messages, key))


def shipped(name: str) -> Any:
    """A program of ``deployments/``, which is no package."""
    spec = importlib.util.spec_from_file_location(name, REPOSITORY / "deployments" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def message(kind: str, subject: str, **data: object) -> dict[str, object]:
    """A message in the Event Grid schema."""
    account = "/subscriptions/0/resourceGroups/lab/providers/Microsoft.Storage/storageAccounts/lab"
    head = {"id": str(uuid.uuid4()), "topic": account, "subject": subject, "eventType": kind}
    return {**head, "eventTime": datetime.now(UTC).isoformat(), "data": data, "dataVersion": "", "metadataVersion": "1"}


def test_a_new_blob_starts_a_run_over_it(api: SyncPrefectClient, relay: Callable[..., httpx.Response]) -> None:
    (automation,) = (one for one in found(api, "automations") if one["name"] == "azure-batch-new-blob")
    call(api, "PATCH", f"/automations/{automation['id']}", {"enabled": True})
    proof = message("Microsoft.EventGrid.SubscriptionValidationEvent", "", validationCode="512d38b6")
    assert relay([proof]).json() == {"validationResponse": "512d38b6"}
    blob = message(
        "Microsoft.Storage.BlobCreated",
        "/blobServices/default/containers/incoming/blobs/day 1/a.txt",
        url="https://lab.blob.core.windows.net/incoming/day%201/a.txt",
        contentLength=3,
    )
    assert relay([blob], key="guessed").status_code == 401
    assert relay({"no": "list"}).status_code == 400
    refused = relay([{**blob, "id": "1"}, message("Microsoft.Storage.BlobDeleted", "gone")])
    assert (refused.status_code, refused.json()) == (400, {"error": "Prefect refuses these messages: 1"})
    assert [relay([blob]).status_code for _ in range(2)] == [204, 204]  # Event Grid may deliver it twice
    wait_until(lambda: runs_of(api, "azure-batch-map/new-blob") != [], 60)
    (run,) = runs_of(api, "azure-batch-map/new-blob")
    assert run["parameters"]["run"]["inputs"] == ["az://incoming/day 1/a.txt"]
    assert run["parameters"]["run"]["account"] == "lab"
    call(api, "DELETE", f"/flow_runs/{run['id']}")
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert relay([blob]).status_code == 503


def test_upkeep_follows_a_run_that_has_crashed(api: SyncPrefectClient) -> None:
    flow = deployment(api, "azure-batch-map/new-blob")["flow_id"]
    asked = {"flow_id": flow, "parameters": {"run": {"account": "lab"}}, "state": {"type": "RUNNING"}}
    run = call(api, "POST", "/flow_runs/", asked)
    crashed = {"state": {"type": "CRASHED", "name": "Crashed"}, "force": True}
    call(api, "POST", f"/flow_runs/{run['id']}/set_state", crashed)
    wait_until(lambda: runs_of(api, "azure-batch-upkeep/upkeep") != [], 60)
    (upkeep,) = runs_of(api, "azure-batch-upkeep/upkeep")
    assert upkeep["parameters"]["run"] == {"account": "lab", "delete": True}
    call(api, "DELETE", f"/flow_runs/{upkeep['id']}")


def test_a_team_is_notified_of_a_run_with_failed_tasks_and_of_no_other(api: SyncPrefectClient) -> None:
    heard: list[bytes] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Chat) as chat, temporary_settings({PREFECT_API_URL: str(api.api_url)}):
        Thread(target=chat.serve_forever, daemon=True).start()
        url, text = f"http://127.0.0.1:{chat.server_port}", {"text": "{{subject}}: {{body}}"}
        CustomWebhookNotificationBlock(name="chat", url=url, json_data=text).save("lab")
        automations = shipped("automations")
        with pytest.raises(SystemExit, match="block: Unable to find block document named team"):
            automations.make("custom-webhook/team")
        for _ in range(2):  # again it changes them
            assert automations.make("custom-webhook/lab") == ["azure-batch: failed tasks", "azure-batch: costs"]
        for outcome in ("succeeded", "failed"):
            resource = {"prefect.resource.id": f"azure-batch.run.{outcome}", "azure-batch.outcome": outcome}
            event = {"event": "azure-batch.run.done", "resource": resource, "payload": {"failed": 2}}
            more = {"id": str(uuid.uuid4()), "occurred": datetime.now(UTC).isoformat()}
            call(api, "POST", "/events", [event | more])
        wait_until(lambda: heard != [], 60)
        chat.shutdown()
    # What sends events of this process keeps to the server that it has met first, and this one ends before others.
    EventsWorker.drain_all()
    assert [json.loads(each)["text"].split() for each in heard] == [
        ["azure-batch:", "failed", "tasks:", "azure-batch.run.failed", "failed:", "2"]
    ]
    assert len(found(api, "automations")) == 4


@pytest.mark.usefixtures("azure")
def test_a_schedule_takes_only_what_came_since_its_last_run(
    server: Prefect, api: SyncPrefectClient, tmp_path: Path
) -> None:
    about, folder = deployment(api, "azure-batch-map/nightly-map"), tmp_path / "instrument"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(f"{name} {tmp_path}")
    asked = {"inputs": [str(folder)], "command": "wc -w < {input}", "results": str(tmp_path / "out")}
    often = {"active": True, "schedule": {"interval": 3}, "slug": "often", "parameters": {"run": asked}}
    schedules = f"/deployments/{about['id']}/schedules"
    (made,) = call(api, "POST", schedules, [often])
    # Prefect looks soon for what is due of deployments that were changed themselves, and each minute of all.
    call(api, "PATCH", f"/deployments/{about['id']}", {"paused": False})

    def done() -> list[dict[str, Any]]:
        counts = [one["payload"] for one in events(api, "azure-batch.run.done", f"prefect.deployment.{about['id']}")]
        return [{state: one[state] for state in ("succeeded", "skipped")} for one in counts if one["succeeded"]]

    variables = server.environment | attached() | {"PREFECT_WORKER_QUERY_SECONDS": "1"}
    before = done()
    with replace(server, environment=variables).worker("azure-batch"):
        wait_until(lambda: len(done()) > len(before), 120)
        (folder / "c.txt").write_text(f"c.txt {tmp_path}")
        wait_until(lambda: len(done()) > len(before) + 1, 120)
        call(api, "DELETE", f"{schedules}/{made['id']}")
    assert done()[len(before) :] == [{"succeeded": 2, "skipped": 0}, {"succeeded": 1, "skipped": 2}]
    index = [json.loads(line) for line in (tmp_path / "out" / "index.jsonl").read_text().splitlines()]
    assert sorted(Path(line["input"]).name for line in index) == ["a.txt", "b.txt", "c.txt"]


@pytest.mark.usefixtures("azure")
def test_served_flows_run_within_a_quota_as_long_as_they_are_served(server: Prefect, api: SyncPrefectClient) -> None:
    limit = {"name": "batch-nodes", "limit": 3}
    call(api, "POST", "/v2/concurrency_limits/", limit)
    variables = server.environment | attached() | {"PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    command = [server.python, "deployments/serve.py"]
    serving = subprocess.Popen(command, cwd=REPOSITORY, env=variables, stdin=subprocess.DEVNULL)
    try:
        name = "azure-batch-map-within-quota/served-within-quota"
        wait_until(lambda: {"served-map", "served-upkeep"} < {one["name"] for one in found(api, "deployments")}, 60)
        wait_until(lambda: name.partition("/")[2] in {one["name"] for one in found(api, "deployments")}, 60)
        asked = {"parameters": {"run": {"plan": True, "nodes": 2}}}
        run = call(api, "POST", f"/deployments/{deployment(api, name)['id']}/create_flow_run", asked)
        wait_until(lambda: api.read_flow_run(run["id"]).state_name == "Completed", 120)
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(60)
    taken = events(api, "prefect.concurrency-limit.acquired", f"prefect.flow-run.{run['id']}")
    assert [one["resource"]["slots-acquired"] for one in taken] == ["2"]
    assert deployment(api, "azure-batch-map/served-map")["paused"] is True
