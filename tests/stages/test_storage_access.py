"""How nodes reach storage: by an identity of theirs, and by links that are made anew."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.batch import models

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.tasks.access import SLACK
from prefect_azure_batch.tasks.application import ship_program
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.job import create_job
from prefect_azure_batch.tasks.launcher import Launch
from prefect_azure_batch.tasks.multi_instance import submit_multi_instance
from prefect_azure_batch.tasks.nodes import wait_for_nodes
from prefect_azure_batch.tasks.pool import check_pool, create_pool
from prefect_azure_batch.tasks.records import Created, JobPlan, MultiInstancePlan, PoolPlan, Run, TaskPlan
from prefect_azure_batch.tasks.renewal import renew_start_task
from prefect_azure_batch.tasks.submit import add_tasks
from prefect_azure_batch.tasks.upload import blob_lister, upload_inputs
from tests.stages.conftest import Bench, found
from tests.support.hostile import HOSTILE_NAMES
from tests.support.identities import IDENTITY, OTHER, make_identity_pool

pytestmark = pytest.mark.usefixtures("local_azure")


@pytest.fixture(scope="module")
def identity_pool(
    local_azure: LocalAzure, account: AzureBatchAccount, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Two nodes with an identity, by which their start task has had its file."""
    notes = tmp_path_factory.mktemp("start") / "it's for the start.txt"
    notes.write_text("by identity")
    start_task = {"command": f'test "$(cat "{notes.name}")" = "by identity"', "files": [str(notes)]}
    asked = {"nodes": 2, "identities": [IDENTITY, OTHER], "start_task": start_task}
    plan = PoolPlan(f"pool-{uuid.uuid4()}", PoolDescription.model_validate(asked), run_id="this run", instances=2)
    yield make_identity_pool(local_azure, account, plan)
    delete_created(account, Created(pool_id=plan.pool_id))


@pytest.fixture
def identity_bench(account: AzureBatchAccount, identity_pool: str) -> Iterator[Bench]:
    bench = Bench(account, identity_pool)
    yield bench
    delete_created(account, Created(job_id=bench.job_id, folders=((WORK_CONTAINER, bench.run.folder),)))


def open_job(bench: Bench, plan: JobPlan) -> Run:
    bench.run = create_job(bench.account, plan)
    return bench.run


def links_of(task: models.BatchTask) -> list[str]:
    """All addresses in a task."""
    files = list(task.resource_files or [])
    if task.multi_instance_settings:
        files += task.multi_instance_settings.common_resource_files or []
    outputs = [output.destination.container for output in task.output_files or []]
    return [file.http_url or "" for file in files] + [each.container_url for each in outputs if each]


def test_nodes_with_an_identity_get_their_files_by_it_whatever_their_names(
    account: AzureBatchAccount, identity_bench: Bench, tmp_path: Path
) -> None:
    assert len(wait_for_nodes(account, identity_bench.pool_id, 2)) == 2
    folder, program = tmp_path / "in", tmp_path / "count.sh"
    folder.mkdir()
    for number, name in enumerate(HOSTILE_NAMES):
        (folder / name).write_text("x" * number)
    program.write_text("wc -c < \"$1\" > 'the size.txt'")
    shipped = ship_program(account.storage, program)
    plan = JobPlan(identity_bench.job_id, identity_bench.pool_id, "this run", shipped, identity=IDENTITY)
    run = open_job(identity_bench, plan)
    added = add_tasks(
        account, run, identity_bench.store(folder), TaskPlan("bash {app}/count.sh {input}", ("the size.txt",))
    )
    collected = identity_bench.collect(identity_bench.wait(added), tmp_path / "out")
    sizes = {task.label: files.outputs[0].read_text().strip() for task, files in zip(added, collected, strict=True)}
    assert sizes == {str(folder / name): str(number) for number, name in enumerate(HOSTILE_NAMES)}
    job = account.get_client().get_job(run.job_id)
    assert job.job_preparation_task is not None
    links = [file.http_url or "" for file in job.job_preparation_task.resource_files or []]
    for task in account.get_client().list_tasks(run.job_id):
        links += links_of(task)
    assert len(links) > 2 * len(HOSTILE_NAMES)
    assert [link for link in links if "?" in link] == []


@pytest.mark.parametrize("identity", [None, IDENTITY])
def test_blobs_are_read_where_they_lie_whatever_their_names(
    account: AzureBatchAccount, identity_bench: Bench, tmp_path: Path, identity: str | None
) -> None:
    container = account.storage.get_client().get_container_client("hostile-names")
    if not container.exists():
        container.create_container()
    for name in HOSTILE_NAMES:
        container.upload_blob(f"sub folder/{name}", name.encode(), overwrite=True)
    items = find_inputs(["az://hostile-names/sub folder/"], blob_lister(account.storage))
    run = open_job(
        identity_bench, JobPlan(identity_bench.job_id, identity_bench.pool_id, "this run", identity=identity)
    )
    added = add_tasks(account, run, upload_inputs(account.storage, items), TaskPlan("cat {input}"))
    collected = identity_bench.collect(identity_bench.wait(added), tmp_path / "out")
    # The service takes a backslash for a slash.
    names = sorted(name.replace("\\", "/") for name in HOSTILE_NAMES)
    assert sorted(task.label.removeprefix("az://hostile-names/sub folder/") for task in added) == names
    assert sorted(files.stdout.read_text() for files in collected if files.stdout) == sorted(HOSTILE_NAMES)


def test_the_nodes_of_an_mpi_task_get_theirs_by_it_too(
    account: AzureBatchAccount, identity_bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "common file.txt").write_text("for all")
    run = open_job(
        identity_bench, JobPlan(identity_bench.job_id, identity_bench.pool_id, "this run", identity=IDENTITY)
    )
    plan = MultiInstancePlan(
        "cat ../common*.txt > ../all.txt", Launch("mpich", 2), whole_line=True, outputs=("all.txt",)
    )
    added = submit_multi_instance(account, run, identity_bench.store(tmp_path), plan)
    (collected,) = identity_bench.collect(identity_bench.wait([added]), tmp_path / "out")
    assert [path.read_text() for path in collected.outputs] == ["for all"]
    links = links_of(account.get_client().get_task(run.job_id, added.task_id))
    assert len(links) > 2
    assert [link for link in links if "?" in link] == []


def test_a_pool_without_the_identity_is_refused(account: AzureBatchAccount, identity_pool: str, pool_id: str) -> None:
    assert check_pool(account, identity_pool, 2, identity=IDENTITY.upper()) == identity_pool
    stranger = IDENTITY.replace("Nodes", "stranger")
    with pytest.raises(BadInput, match=r"storage_identity: .* have no identity .*stranger'; they have: .*nodes, .*oth"):
        check_pool(account, identity_pool, 2, identity=stranger)
    with pytest.raises(BadInput, match=r"they have: none\.$"):
        check_pool(account, pool_id, identity=IDENTITY)


def end_of(link: str) -> datetime:
    return datetime.fromisoformat(parse_qs(urlsplit(link).query)["se"][0])


def test_tasks_that_are_added_late_get_links_for_the_rest_of_the_run(bench: Bench, two_files: Path) -> None:
    hours = timedelta(hours=10)
    run = open_job(bench, JobPlan(bench.job_id, bench.pool_id, "this run", time_limit=hours))
    assert run.ends is not None
    late = replace(run, ends=run.ends - timedelta(hours=7))  # as if the job had been made seven hours ago
    (first,) = add_tasks(bench.account, run, bench.store(two_files)[:1], TaskPlan("true"))
    (second,) = add_tasks(bench.account, late, bench.store(two_files)[1:], TaskPlan("true"))
    for task, ends in ((first, run.ends), (second, late.ends)):
        links = links_of(bench.account.get_client().get_task(run.job_id, task.task_id))
        assert ends is not None
        assert {abs(end_of(link) - (ends + SLACK)) < timedelta(seconds=2) for link in links} == {True}


def test_links_permit_no_more_than_their_use(bench: Bench, two_files: Path) -> None:
    run = open_job(bench, JobPlan(bench.job_id, bench.pool_id, "this run"))
    (added,) = add_tasks(bench.account, run, bench.store(two_files)[:1], TaskPlan("true"))
    task = bench.account.get_client().get_task(run.job_id, added.task_id)
    rights = [tuple(parse_qs(urlsplit(link).query)[name][0] for name in ("sr", "sp")) for link in links_of(task)]
    assert set(rights) == {("b", "r"), ("c", "cw")}


def test_a_run_that_goes_on_with_a_pool_gives_its_start_task_links_that_last(
    account: AzureBatchAccount, tmp_path: Path
) -> None:
    (tmp_path / HOSTILE_NAMES[4]).write_text("still here")
    items = found(tmp_path)
    start_task = {"command": "cat *.txt", "files": [items[0].label]}
    plan = PoolPlan(
        f"pool-{uuid.uuid4()}",
        PoolDescription.model_validate({"nodes": 1, "start_task": start_task}),
        run_id="the run before",
        time_limit=timedelta(minutes=1),
    )
    client = account.get_client()
    try:
        create_pool(account, plan)
        before = client.get_pool(plan.pool_id).start_task
        renew_start_task(account, plan.pool_id, timedelta(hours=20))
        after = client.get_pool(plan.pool_id).start_task
        assert before is not None
        assert after is not None
        (old,), (new,) = (task.resource_files or [] for task in (before, after))
        assert end_of(old.http_url or "") < datetime.now(UTC) + timedelta(hours=2)
        assert end_of(new.http_url or "") > datetime.now(UTC) + timedelta(hours=20)
        assert (after.command_line, new.file_path) == (before.command_line, old.file_path)
        (node,) = wait_for_nodes(account, plan.pool_id, 1)
        client.begin_reboot_node(plan.pool_id, node, {"nodeRebootOption": "requeue"}, polling_interval=1).wait()  # type: ignore[arg-type]
        assert wait_for_nodes(account, plan.pool_id, 1) == [node]
    finally:
        delete_created(account, Created(pool_id=plan.pool_id))
