"""Automatic scaling goes on where the service ended."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localbatch.launcher import LocalAzure
from tests.support.account import PATIENCE, Account, open_account
from tests.support.autoscaling import evaluate, make_pool, results, run_of, sizes
from tests.support.processes import process, wait_until

FAST = "--autoscale-seconds=0.2"


@contextmanager
def running(root: Path, *options: str) -> Iterator[Account]:
    """A service over a directory, which ends by ``kill -9``."""
    azure = LocalAzure(root=root, storage=False, attach=False, options=options)
    try:
        with open_account(azure.endpoints, "scaling", keep=True) as account:
            yield account
        os.kill(azure.endpoints.pid, signal.SIGKILL)
        wait_until(lambda: not _alive(azure), PATIENCE)
    finally:
        azure.stop()


def _alive(azure: LocalAzure) -> bool:
    found = process(azure.endpoints.pid)
    return found is not None and found.alive()


def test_formulas_and_samples_outlive_kill_9(tmp_path: Path) -> None:
    with running(tmp_path, FAST) as batch:
        make_pool(batch, "$TargetDedicatedNodes = min(1, max(0, $PendingTasks.GetSample(1)))")
        batch.wait_until(lambda: results(evaluate(batch, "n = $PendingTasks.Count()"))["n"] >= 5)
        before = run_of(batch)
        batch.make_job()
    with running(tmp_path) as batch:
        pool = batch.client.get_pool("pool")
        assert (pool.enable_auto_scale, pool.auto_scale_evaluation_interval is not None) == (True, True)
        assert run_of(batch).timestamp >= before.timestamp
        assert results(evaluate(batch, "n = $PendingTasks.Count()"))["n"] >= 5
    with running(tmp_path, FAST) as batch:
        batch.add_task("sleep 600")
        batch.await_task(state="running")
        assert sizes(batch)[0] == 1


def test_the_samples_of_a_pool_end_with_it(tmp_path: Path) -> None:
    with running(tmp_path, FAST) as batch:
        for _ in range(2):
            make_pool(batch, "$TargetDedicatedNodes = 0")
            assert results(evaluate(batch, "n = $PendingTasks.Count()"))["n"] <= 1
            batch.wait_until(lambda: results(evaluate(batch, "n = $PendingTasks.Count()"))["n"] >= 3)
            batch.client.begin_delete_pool("pool", polling_interval=0)
            batch.await_gone(lambda: batch.client.get_pool("pool"))
