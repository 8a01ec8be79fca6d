"""Flows deployed to a real Prefect server and worker: from the checkout, and from a project that has the wheel.

The project has packages of its own that are called tasks, flows and blocks.
"""

import json
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

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


def test_the_deployed_flows_are_run_by_a_worker_and_finish(server: Prefect, tmp_path: Path) -> None:
    server.run("deploy", "--all", "--prefect-file", "deployments/prefect.yaml")
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


def words_in(results: Path) -> list[str]:
    return sorted(path.read_text().strip() for path in results.glob("*/stdout.txt"))
