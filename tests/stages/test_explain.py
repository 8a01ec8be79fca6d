"""What is said of jobs that do not go on, and of tasks that fail: each situation is made to happen."""

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.batch import BatchClient, models
from azure.core.exceptions import ResourceNotFoundError

from localbatch.launcher import LocalAzure
from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.explain import explain
from prefect_azure_batch.flows.explain_parameters import ExplainParameters
from prefect_azure_batch.tasks.command import shell_command
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.explain import Explanation, explain_job
from tests.support.processes import wait_until

SECONDS = 60
MACHINE = models.VirtualMachineConfiguration(
    image_reference=models.BatchVmImageReference(publisher="canonical", offer="ubuntu-24_04-lts", sku="server"),
    node_agent_sku_id="batch.node.ubuntu 24.04",
)
CRASH = "kill -SEGV $$"
CRLF = r"printf '#!/bin/bash\r\necho\r\n' > s; chmod +x s; ./s"
ALIEN = r"printf '\177ELF\002\001\001\000\000\000\000\000\000\000\000\000\002\000\363\000' > x; chmod +x x; ./x"
UNLINKED = "sed 's/libc[.]so[.]6/libc.so.9/' /bin/true > t; chmod +x t; ./t"


class Scenery:
    """Pools and jobs that a test makes, and what is said of them."""

    def __init__(self, account: AzureBatchAccount, azure: LocalAzure) -> None:
        self.account, self.client, self.azure = account, account.get_client(), azure
        self.name = f"explain-{uuid.uuid4()}"

    def pool(self, **options: Any) -> None:
        given = {"target_dedicated_nodes": 1, **options}
        if "auto_scale_formula" in options:
            given |= {"target_dedicated_nodes": None, "enable_auto_scale": True}
        pool = models.BatchPoolCreateOptions(
            id=self.name, vm_size="standard_d2s_v3", virtual_machine_configuration=MACHINE, **given
        )
        self.client.create_pool(pool)

    def job(self, **options: Any) -> None:
        self.client.create_job(
            models.BatchJobCreateOptions(id=self.name, pool_info=models.BatchPoolInfo(pool_id=self.name), **options)
        )

    def task(self, command: str = "true", name: str = "t", **options: Any) -> None:
        task = models.BatchTaskCreateOptions(id=name, command_line=shell_command(command), **options)
        self.client.create_task(self.name, task)

    def await_end(self, name: str = "t") -> None:
        wait_until(lambda: self.client.get_task(self.name, name).state == "completed", SECONDS)

    def await_nodes(self, state: str = "idle", number: int = 1) -> list[str]:
        def nodes() -> list[str]:
            return [node.id or "" for node in self.client.list_nodes(self.name) if node.state == state]

        wait_until(lambda: len(nodes()) >= number, SECONDS)
        return nodes()

    def await_steady(self) -> None:
        wait_until(lambda: self.client.get_pool(self.name).allocation_state == "steady", SECONDS)

    def said(self) -> list[Explanation]:
        return explain_job(self.client, self.name)

    def await_said(self, what: str) -> Explanation:
        wait_until(lambda: what in [each.what for each in self.said()], SECONDS)
        return next(each for each in self.said() if each.what == what)


@pytest.fixture
def scenery(account: AzureBatchAccount, local_azure: LocalAzure) -> Iterator[Scenery]:
    scenery = Scenery(account, local_azure)
    yield scenery
    for pool in scenery.client.list_pools():
        if pool.id == scenery.name:
            scenery.client.begin_delete_pool(scenery.name)
    with suppress(ResourceNotFoundError):
        scenery.client.begin_delete_job(scenery.name, force=True)


@pytest.fixture(scope="module")
def shared(account: AzureBatchAccount, local_azure: LocalAzure) -> Iterator[Scenery]:
    """A pool and a job for all tasks that fail by themselves."""
    scenery = Scenery(account, local_azure)
    scenery.pool(task_slots_per_node=4)
    scenery.job()
    yield scenery
    scenery.client.begin_delete_job(scenery.name, force=True)
    scenery.client.begin_delete_pool(scenery.name)


@pytest.mark.parametrize(
    ("command", "what", "advice"),
    [
        ("solver --steps 3", "program not found", "ship it with --app"),
        ("touch s; ./s", "permission denied", "not executable"),
        (CRLF, "interpreter missing", "line ends of Windows"),
        (ALIEN, "wrong architecture", "build it for Linux"),
        (UNLINKED, "library missing", "--setup"),
        ("python3 -c 'import no_such_module'", "Python module missing", "pip install"),
        ("ulimit -v 300000; python3 -c 'bytearray(10**9)'", "out of memory", "larger VM size"),
        ("kill -KILL $$", "out of memory", "larger VM size"),
        ("echo x > /dev/full", "disk full", "local disk"),
        (CRASH, "crashed", "on your own machine"),
        ("cat no/such/file", "file not found", "its own directory"),
        ("exit 3", "failed", "exit code 3"),
    ],
)
def test_a_program_that_fails_is_told_with_its_cause(shared: Scenery, command: str, what: str, advice: str) -> None:
    name = f"t-{uuid.uuid4()}"
    shared.task(command, name)
    shared.await_end(name)
    found = [each for each in shared.said() if each.what == what]
    assert found, shared.said()
    assert any(advice in each.text for each in found)


def test_tasks_that_fail_alike_are_told_once(scenery: Scenery) -> None:
    scenery.pool(task_slots_per_node=4)
    scenery.job()
    for number in range(3):
        scenery.task("exit 7", f"t{number}")
    for number in range(3):
        scenery.await_end(f"t{number}")
    (told,) = scenery.said()
    assert (told.tasks, "exit code 7" in told.text) == (3, True)


def test_a_task_beyond_its_time_and_one_that_somebody_has_ended(scenery: Scenery) -> None:
    scenery.pool(task_slots_per_node=2)
    scenery.job()
    limit = models.BatchTaskConstraints(max_wall_clock_time=timedelta(seconds=1))
    scenery.task("sleep 600", "slow", constraints=limit)
    scenery.await_end("slow")
    assert [each.what for each in scenery.said()] == ["time limit"]
    scenery.task("sleep 600", "ended")
    wait_until(lambda: scenery.client.get_task(scenery.name, "ended").state == "running", SECONDS)
    scenery.client.terminate_task(scenery.name, "ended")
    scenery.await_end("ended")
    assert {each.what for each in scenery.said()} == {"time limit", "ended by somebody"}


def test_files_that_cannot_be_had_or_kept(scenery: Scenery) -> None:
    storage, container = scenery.account.storage, scenery.name
    service = storage.get_client().create_container(container)
    service.upload_blob("there.txt", b"x")
    later = datetime.now(UTC) + timedelta(hours=1)
    over = datetime.now(UTC) + timedelta(seconds=1)
    expired = storage.sign_blob(container, "there.txt", permission="r", expiry=over)
    wait_until(lambda: datetime.now(UTC) > over, 5)
    gone = storage.sign_blob(container, "gone.txt", permission="r", expiry=later)
    only_reads = storage.sign_container(container, permission="r", expiry=later)
    no_container = storage.sign_container(f"{container[:50]}-none", permission="cw", expiry=later)
    scenery.pool(task_slots_per_node=4)
    scenery.job()
    scenery.task(name="refused", resource_files=[models.ResourceFile(http_url=expired, file_path="f")])
    scenery.task(name="gone", resource_files=[models.ResourceFile(http_url=gone, file_path="f")])
    for name, link in (("denied", only_reads), ("no-container", no_container)):
        scenery.task("echo x > out", name, output_files=[_output(link)])
    for name in ("refused", "gone", "denied", "no-container"):
        scenery.await_end(name)
    service.delete_container()
    assert {each.what for each in scenery.said()} == {
        "link expired or refused", "input gone", "output not allowed", "output container gone"
    }  # fmt: skip


def _output(link: str) -> models.OutputFile:
    return models.OutputFile(
        file_pattern="out",
        destination=models.OutputFileDestination(
            container=models.OutputFileBlobContainerDestination(container_url=link)
        ),
        upload_options=models.OutputFileUploadConfiguration(upload_condition="taskcompletion"),
    )


def test_a_job_that_somebody_has_disabled(scenery: Scenery) -> None:
    scenery.pool()
    scenery.job()
    scenery.client.begin_disable_job(scenery.name, models.BatchJobDisableOptions(disable_tasks="requeue")).result()
    scenery.task()
    assert "is disabled" in scenery.await_said("pool not ready").text


def test_a_job_that_ran_out_of_time(scenery: Scenery) -> None:
    scenery.pool(target_dedicated_nodes=0)
    scenery.job(constraints=models.BatchJobConstraints(max_wall_clock_time=timedelta(seconds=1)))
    scenery.task()
    assert "its time was over" in scenery.await_said("job ended").text


def test_a_pool_without_nodes_one_that_is_gone_and_a_job_that_is_not_there(scenery: Scenery) -> None:
    scenery.pool(target_dedicated_nodes=0)
    scenery.job()
    scenery.task()
    assert "has no node" in scenery.await_said("pool not ready").text
    scenery.client.begin_delete_pool(scenery.name).result()
    assert "make one of that id" in scenery.await_said("pool gone").text
    with pytest.raises(BadInput, match="has no job 'none-such'"):
        explain_job(scenery.client, "none-such")


@pytest.mark.parametrize(
    ("code", "what", "advice"),
    [
        ("AccountCoreQuotaReached", "quota reached", "more quota"),
        ("AllocationFailed", "nodes not to be had", "Try again"),
    ],
)
def test_a_pool_that_gets_no_nodes(scenery: Scenery, code: str, what: str, advice: str) -> None:
    scenery.azure.fail_allocation(scenery.name, code=code)
    scenery.pool()
    scenery.await_steady()
    scenery.job()
    scenery.task()
    told = scenery.await_said(what)
    assert told.text.startswith("Before the job was made")
    assert advice in told.text


def test_a_start_task_that_fails_is_told_with_its_stderr(scenery: Scenery) -> None:
    command = shell_command("echo no such mirror >&2; exit 5")
    scenery.pool(start_task=models.BatchStartTask(command_line=command, wait_for_success=True))
    scenery.job()
    scenery.task()
    told = scenery.await_said("start task failed").text
    assert "exit code 5" in told
    assert "no such mirror" in told


def test_nodes_that_are_unusable_closed_or_not_heard_of(scenery: Scenery) -> None:
    scenery.pool()
    (node,) = scenery.await_nodes()
    closed = models.BatchNodeDisableSchedulingOptions(node_disable_scheduling_option="requeue")
    scenery.client.disable_node_scheduling(scenery.name, node, closed)
    scenery.job()
    scenery.task()
    assert "Scheduling is disabled" in scenery.await_said("pool not ready").text
    scenery.azure.lose_node(scenery.name, node)
    assert "hears nothing" in scenery.await_said("pool not ready").text


def test_a_node_that_is_unusable(scenery: Scenery) -> None:
    scenery.pool()
    (node,) = scenery.await_nodes()
    scenery.azure.spoil_node(scenery.name, node, code="DiskFull", message="no room")
    scenery.job()
    scenery.task()
    assert "DiskFull: no room" in scenery.await_said("node unusable").text


def test_tasks_whose_nodes_are_taken_away_again_and_again(scenery: Scenery) -> None:
    scenery.pool(target_dedicated_nodes=0, target_low_priority_nodes=1)
    scenery.job()
    scenery.task("sleep 600")
    for _ in range(2):
        (node, *_) = scenery.await_nodes("running")
        scenery.azure.preempt_node(scenery.name, node)
        wait_until(lambda node=node: node not in _running(scenery.client, scenery.name), SECONDS)  # type: ignore[misc]
    scenery.client.begin_resize_pool(scenery.name, models.BatchPoolResizeOptions(target_low_priority_nodes=0)).result()
    assert "up to" in scenery.await_said("preempted again and again").text


def _running(client: BatchClient, pool_id: str) -> list[str]:
    return [node.id or "" for node in client.list_nodes(pool_id) if node.state == "running"]


@pytest.mark.parametrize(
    ("formula", "what"),
    [("$TargetDedicatedNodes = 0;", "formula asks for nothing"), ("$TargetDedicatedNodes = 1 / 0;", "formula failed")],
)
def test_a_formula_that_gives_no_node(scenery: Scenery, formula: str, what: str) -> None:
    scenery.pool(auto_scale_formula=formula)
    scenery.job()
    scenery.task()
    assert "formula" in scenery.await_said(what).text


def test_a_preparation_that_fails_is_told_with_its_stderr(scenery: Scenery) -> None:
    scenery.pool()
    command = shell_command("echo no compiler >&2; exit 9")
    scenery.job(job_preparation_task=models.BatchJobPreparationTask(command_line=command, wait_for_success=True))
    scenery.task()
    assert "no compiler" in scenery.await_said("preparation failed").text


def test_tasks_that_batch_lets_wait_for_ever(scenery: Scenery) -> None:
    scenery.pool(task_slots_per_node=2)
    scenery.job(uses_task_dependencies=True)
    several = models.MultiInstanceSettings(number_of_instances=2, coordination_command_line="/bin/true")
    scenery.task(name="several", multi_instance_settings=several)
    scenery.task(name="wide", required_slots=3)
    scenery.task("exit 1", "parent")
    scenery.await_end("parent")
    scenery.task(name="child", depends_on=models.BatchTaskDependencies(task_ids=["parent"]))
    what = {each.what: each.about for each in scenery.said()}
    assert what.items() >= {
        "no pool for several nodes": "task several", "too few slots": "task wide", "blocked by a failure": "task child"
    }.items()  # fmt: skip


def test_a_task_for_more_nodes_than_there_are(scenery: Scenery) -> None:
    scenery.pool(enable_inter_node_communication=True)
    scenery.await_steady()
    scenery.job()
    several = models.MultiInstanceSettings(number_of_instances=3, coordination_command_line="/bin/true")
    scenery.task(multi_instance_settings=several)
    assert "needs 3 nodes" in scenery.await_said("too few nodes").text


def test_a_task_in_a_container_on_nodes_that_run_none(scenery: Scenery) -> None:
    scenery.pool(target_dedicated_nodes=0)
    scenery.job()
    scenery.task(container_settings=models.BatchTaskContainerSettings(image_name="alpine"))
    assert "make one that does" in scenery.await_said("no containers").text


def test_a_job_whose_tasks_only_wait_for_their_turn(scenery: Scenery) -> None:
    scenery.pool()
    scenery.job()
    scenery.task("sleep 600", "first")
    scenery.task("true", "second")
    assert "1 tasks run, and 1 wait" in scenery.await_said("all busy").text


def test_the_flow_tells_of_one_job_or_of_all_that_go_on(scenery: Scenery, account_name: str | None) -> None:
    scenery.pool(target_dedicated_nodes=0)
    scenery.job()
    scenery.task()
    one = explain(ExplainParameters(account=account_name, job=scenery.name))
    lines = list(one.text())
    assert lines[:2] == [f"Job {scenery.name}:", f"  pool not ready: pool {scenery.name}"]
    assert "has no node" in lines[2]
    assert json.loads("".join(one.json_lines()))["jobs"][0]["reasons"][0]["what"] == "pool not ready"
    assert scenery.name in [job.job for job in explain(ExplainParameters(account=account_name)).jobs]
