"""Jobs go on where they were when the service was killed, whatever they were about."""

from pathlib import Path
from typing import Any

from azure.batch import models

from tests.service.durability.test_durability import running
from tests.support.account import IMAGE, PATIENCE, Account, shell
from tests.support.processes import wait_until


class Scene:
    """A directory where the tasks of jobs leave their marks and wait for one."""

    def __init__(self, batch: Account, directory: Path) -> None:
        self.batch, self.directory = batch, directory

    def command(self, name: str) -> str:
        """Makes a command that leaves a mark and waits."""
        go = self.directory / "go"
        return f"trap : TERM; echo run >> {self.directory / name}; until test -e {go}; do sleep 0.05; done"

    def await_runs(self, name: str, count: int = 1) -> None:
        """Waits until a command has been started so often."""
        mark = self.directory / name
        wait_until(lambda: mark.exists() and mark.read_text() == "run\n" * count, PATIENCE)

    def let_go(self) -> None:
        """Has all commands end."""
        (self.directory / "go").touch()

    def make_released(self, job_id: str) -> None:
        """Makes a job with a release task, one task of which has run and one of which can't run."""
        self.batch.make_job(
            job_id,
            job_preparation_task=models.BatchJobPreparationTask(command_line=shell("true")),
            job_release_task=models.BatchJobReleaseTask(command_line=shell(self.command(job_id))),
        )
        self.batch.add_task("true", "done", job_id)
        self.batch.await_task("done", job_id)
        self.batch.add_task("true", "large", job_id, required_slots=9)

    def make_automatic(self, job_id: str) -> str:
        """Makes a job with a pool of its own, and returns the id of the pool."""
        pool = models.BatchPoolSpecification(
            vm_size="standard_d2s_v3", virtual_machine_configuration=IMAGE, target_dedicated_nodes=1
        )
        specification = models.BatchAutoPoolSpecification(pool_lifetime_option="job", pool=pool)
        info = models.BatchPoolInfo(auto_pool_specification=specification)
        self.batch.client.create_job(models.BatchJobCreateOptions(id=job_id, pool_info=info))
        execution = self.batch.client.get_job(job_id).execution_info
        assert execution is not None
        return execution.pool_id or ""

    def send(self, verb: str, path: str, **options: Any) -> None:
        """Asks for something that begins."""
        assert self.batch.send(verb, path, **options).status_code == 202


def test_jobs_between_two_states_go_on_to_the_second(tmp_path: Path) -> None:
    with running(tmp_path / "root", killed=True) as batch:
        scene = Scene(batch, tmp_path)
        batch.make_pool(task_slots_per_node=8)
        for job_id in ("ending", "going"):
            scene.make_released(job_id)
        batch.make_job("halting")
        batch.add_task(scene.command("halting"), job_id="halting")
        batch.await_task(job_id="halting", state="running")
        scene.await_runs("halting")
        scene.send("POST", "/jobs/halting/disable", json={"disableTasks": "wait"})
        scene.send("POST", "/jobs/ending/terminate")
        scene.send("DELETE", "/jobs/going")
        for name in ("ending", "going"):
            scene.await_runs(name)
    with running(tmp_path / "root") as batch:
        scene = Scene(batch, tmp_path)
        assert batch.client.get_job("ending").state == "terminating"
        batch.await_job("halting", state="disabled")
        for name in ("ending", "going"):
            scene.await_runs(name, 2)
        scene.let_go()
        execution = batch.await_job("ending").execution_info
        assert execution is not None
        assert execution.termination_reason == "UserTerminate"
        (status,) = batch.client.list_job_preparation_and_release_task_status("ending")
        assert status.job_release_task_execution_info is not None
        assert status.job_release_task_execution_info.result == "success"
        batch.await_gone(lambda: batch.client.get_job("going"))
        info = batch.client.get_task("halting", "task").execution_info
        assert info is not None
        assert info.requeue_count == 1
        batch.client.begin_enable_job("halting", polling_interval=0).result()
        batch.await_task(job_id="halting")


def test_managers_and_pools_of_jobs_outlive_the_service(tmp_path: Path) -> None:
    with running(tmp_path / "root", killed=True) as batch:
        scene = Scene(batch, tmp_path)
        batch.make_pool()
        manager = models.BatchJobManagerTask(id="manager", command_line=shell(scene.command("managed")))
        batch.make_job("managed", job_manager_task=manager)
        batch.make_pool("other")
        batch.make_job("ended", "other")
        batch.add_task("sleep 600", job_id="ended")
        batch.add_task("true", "large", "ended", required_slots=2)
        batch.await_task(job_id="ended", state="running")
        scene.await_runs("managed")
        leaving = scene.make_automatic("leaving")
        staying = scene.make_automatic("staying")
        scene.send("POST", "/jobs/leaving/terminate")
        scene.send("POST", "/jobs/ended/terminate")
    with running(tmp_path / "root") as batch:
        scene = Scene(batch, tmp_path)
        batch.await_job("ended")
        assert batch.client.get_task("ended", "task").state == "completed"
        assert batch.client.get_task("ended", "large").state == "active"
        batch.await_job("leaving")
        batch.await_gone(lambda: batch.client.get_pool(leaving))
        batch.add_task("true", job_id="staying")
        assert batch.await_task(job_id="staying").node_info.pool_id == staying  # type: ignore[union-attr]
        scene.await_runs("managed", 2)
        scene.let_go()
        execution = batch.await_job("managed").execution_info
        assert execution is not None
        assert execution.termination_reason == "JMComplete"
