"""What is left of a map of 16 inputs that ends in every way that is known, on services that fail in every way that is.

    python -m benchmarks.endings [WORD...]       only the rows whose names hold one of these words

Each row is a run on a local Azure of its own, then upkeep where something is left, then the same command once more on
services that are well. Columns: the exit status of the run that something happened to; seconds from then until neither
pool nor job was left (- : something stays); what is left after upkeep; the exit status of the second run; inputs
whose output is right then; tasks begun twice.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from azure.batch import models

from benchmarks.arguments import refuse_unknown
from benchmarks.trial import LIMIT, Trial, heed_signals, line, prefect_server, wait_until
from localbatch.launcher import LocalAzure

BEGUN = 4
CLEAN_SECONDS = 60.0
_IMAGE = models.VirtualMachineConfiguration(
    image_reference=models.BatchVmImageReference(
        publisher="canonical", offer="0001-com-ubuntu-server-jammy", sku="22_04-lts"
    ),
    node_agent_sku_id="batch.node.ubuntu 22.04",
)
BATCH_FAILS = tuple(f"--fault={fault}" for fault in ("throttle=0.15", "busy=0.1", "fail=0.1", "reset=0.1", "item=0.1"))
BLOB_FAILS = tuple(f"--blob-fault={fault}" for fault in ("throttle=0.1", "busy=0.1", "fail=0.05", "reset=0.05"))
FAULTS = {
    "": (),
    "Batch fails": (*BATCH_FAILS, "--fault-seed=1"),
    "Blob fails": (*BLOB_FAILS, "--fault-seed=2"),
    "both, 20 ms": (*BATCH_FAILS, *BLOB_FAILS, "--latency-ms=20", "--fault-seed=3"),
}

Happens = Callable[[Trial, "subprocess.Popen[str]"], object]
Before = Callable[[Trial], object]


@dataclass(frozen=True)
class Case:
    """Something that can happen.

    Attributes:
        name: of the row.
        happens: when some tasks have begun.
        options: of the local Azure, until it has happened.
        arguments: of the map, until it has happened.
        before: makes what the run needs; then nobody waits for tasks.
        variables: of the run's environment.
    """

    name: str
    happens: Happens
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    before: Before | None = None
    variables: tuple[tuple[str, str], ...] = ()
    awaits_tasks: bool = True


def nothing(trial: Trial, run: "subprocess.Popen[str]") -> None:
    """Lets it end by itself."""


def signals(*numbers: signal.Signals, group: bool = True) -> Happens:
    """Sends signals to the run, half a second apart."""

    def send(trial: Trial, run: "subprocess.Popen[str]") -> None:
        for place, number in enumerate(numbers):
            time.sleep(0.5 if place else 0)
            os.killpg(run.pid, number) if group else os.kill(run.pid, number)

    return send


def spoil(trial: Trial) -> None:
    """Has tasks fail until the second run."""
    (trial.home / "spoilt").touch()


def restart(trial: Trial, run: "subprocess.Popen[str]") -> None:
    """Stops the local Azure and starts it again."""
    trial.azure.stop()
    trial.open_azure()


def kill_azure(trial: Trial, run: "subprocess.Popen[str]") -> None:
    """Kills the local Azure with all its processes."""
    service = psutil.Process(trial.azure.endpoints.pid)
    for process in [*service.children(recursive=True), service]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs([service])
    run.wait(LIMIT)


def kill_azurite(trial: Trial, run: "subprocess.Popen[str]") -> None:
    """Kills the Blob service alone, some seconds after it was last written to."""
    time.sleep(3)
    for process in psutil.Process(trial.azure.endpoints.pid).children():
        if any("azurite" in word for word in process.cmdline()):
            process.kill()


def delete_container(trial: Trial, run: "subprocess.Popen[str]") -> None:
    """Deletes all logs, outputs, ledgers and records."""
    with trial.blobs() as blobs:
        blobs.delete_container("batch-work")


def pool_of(trial: Trial) -> str:
    """The pool that the run uses."""
    with trial.client() as client:
        return next(pool.id or "" for pool in client.list_pools() if pool.state != "deleting")


def nodes(trial: Trial) -> list[str]:
    """Its nodes."""
    with trial.client() as client:
        return [node.id or "" for node in client.list_nodes(pool_of(trial))]


def to_nodes(what: Callable[[LocalAzure, str, str], object], *, to_all: bool = False) -> Happens:
    """Has something happen to the first node, or to all."""

    def do(trial: Trial, run: "subprocess.Popen[str]") -> None:
        for node in nodes(trial) if to_all else nodes(trial)[:1]:
            what(trial.azure, pool_of(trial), node)

    return do


def to_job(what: str) -> Happens:
    """Has somebody else do something to the job."""

    def do(trial: Trial, run: "subprocess.Popen[str]") -> None:
        with trial.client() as client:
            (name,) = [job.id or "" for job in client.list_jobs()]
            if what == "terminate":
                client.begin_terminate_job(name, {"terminateReason": "Enough"})  # type: ignore[arg-type]
            elif what == "delete its pool":
                client.begin_delete_pool(pool_of(trial))
            else:
                tasks = models.BatchJobDisableOptions(disable_tasks="requeue")
                client.begin_disable_job(name, tasks).wait()
                wait_until(lambda: "disabled" in trial.said(), 120)
                client.begin_enable_job(name)

    return do


def make_pool(dedicated: int = 0, spot: int = 0, start_task: models.BatchStartTask | None = None) -> Before:
    """Makes a pool for the run to use."""

    def make(trial: Trial) -> None:
        pool = models.BatchPoolCreateOptions(
            id="mine",
            vm_size="standard_d2s_v3",
            virtual_machine_configuration=_IMAGE,
            target_dedicated_nodes=dedicated,
            target_low_priority_nodes=spot,
            task_slots_per_node=2,
            start_task=start_task,
        )
        with trial.client() as client:
            client.create_pool(pool)

    return make


def be_told_and_interrupt(words: str) -> Happens:
    """Waits until the run says why it waits, and ends it."""

    def do(trial: Trial, run: "subprocess.Popen[str]") -> None:
        wait_until(lambda: re.search(words, trial.said()), 150)
        os.killpg(run.pid, signal.SIGINT)

    return do


def lose_all(trial: Trial, run: "subprocess.Popen[str]") -> None:
    """Loses all nodes, which Batch may find again, and ends the run when that is told."""
    to_nodes(LocalAzure.lose_node, to_all=True)(trial, run)
    be_told_and_interrupt("hears nothing")(trial, run)


FAILING_START = models.BatchStartTask(command_line="/bin/sh -c 'echo no disk >&2; exit 3'", wait_for_success=True)
ENDINGS: dict[str, Happens] = {
    "success": nothing,
    "Ctrl-C": signals(signal.SIGINT),
    "Ctrl-C twice": signals(signal.SIGINT, signal.SIGINT),
    "SIGTERM": signals(signal.SIGTERM),
    "SIGHUP": signals(signal.SIGHUP),
    "kill -9, process": signals(signal.SIGKILL, group=False),
    "kill -9, group": signals(signal.SIGKILL),
}
CASES = [
    *(
        Case(f"{ending}; {fault}" if fault else ending, happens, options)
        for fault, options in FAULTS.items()
        for ending, happens in ENDINGS.items()
    ),
    *(
        Case(f"tasks fail; {fault}".removesuffix("; "), nothing, options, before=spoil)
        for fault, options in FAULTS.items()
    ),
    Case("localbatch restarted", restart),
    Case("localbatch gone", kill_azure),
    Case("Azurite killed", kill_azurite),
    Case("container deleted", delete_container),
    Case("links expired, half", nothing, ("--blob-fault=expired=0.5", "--fault-seed=4")),
    Case("links expired, all", nothing, ("--blob-fault=expired=1",)),
    Case("a node lost", to_nodes(LocalAzure.lose_node)),
    Case("all nodes lost, told, Ctrl-C", lose_all),
    Case("a node unusable", to_nodes(LocalAzure.spoil_node)),
    Case("all nodes unusable", to_nodes(LocalAzure.spoil_node, to_all=True)),
    Case("a node preempted", to_nodes(LocalAzure.preempt_node), (), ("--pool", "mine"),
         make_pool(spot=2)),
    Case("start task fails", nothing, (), ("--pool", "mine"),
         make_pool(dedicated=2, start_task=FAILING_START), awaits_tasks=False),
    Case("allocation fails", nothing, ("--dedicated-core-quota=1",), awaits_tasks=False),
    Case("allocation never ends, told, Ctrl-C", be_told_and_interrupt("do not go on"), ("--allocation-seconds=3600",),
         awaits_tasks=False),
    Case("pool deleted", to_job("delete its pool")),
    Case("job terminated", to_job("terminate")),
    Case("job disabled, told, enabled", to_job("disable")),
]  # fmt: skip


def play(case: Case, home: Path, server: str) -> list[object]:
    """A row of the table."""
    trial = Trial(home, server, case.options, arguments=case.arguments)
    try:
        if case.before:
            case.before(trial)
        run = trial.start(**dict(case.variables))
        with suppress(TimeoutError):
            wait_until(lambda: run.poll() is not None or not case.awaits_tasks or trial.begun() >= BEGUN)
        case.happens(trial, run)
        happened = time.monotonic()
        status: object = run.wait(LIMIT)
        ended = time.monotonic() - happened
        heal(trial, case)
        return finish(trial, case.name, f"{status} ({ended:.0f} s)")
    finally:
        trial.stop()


def heal(trial: Trial, case: Case) -> None:
    """Takes away what was wrong."""
    (trial.home / "spoilt").unlink(missing_ok=True)
    trial.arguments = ()
    if case.options or case.happens is kill_azure:
        trial.azure.stop()
        trial.open_azure()


def finish(trial: Trial, name: str, status: object, limit: float = 5) -> list[object]:
    """What is left, and what the second run makes of it."""
    clean, after = trial.seconds_until_clean(limit), "nothing"
    if clean is None:
        trial.upkeep()
        after = ", ".join(trial.left()) or "nothing"
    again, right = trial.again()
    if again or right != trial.inputs:
        sys.stderr.write(f"{name}:\n{trial.said()}\n")
    stays = trial.left()
    seconds = "at once" if clean is not None and clean < 1 else "-" if clean is None else f"{clean:.0f} s"
    after = ", ".join([after, *(f"{one} after the second run" for one in stays)])
    return [name, status, seconds, after, again, f"{right} of {trial.inputs}", trial.twice()]


def main(arguments: Sequence[str] | None = None) -> None:
    """Plays the rows, and prints each as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="WORD", help="parts of the names of rows; all unless said")
    words = parser.parse_args(arguments).words
    refuse_unknown(parser, words, [case.name for case in CASES])
    heed_signals(hangup=True)
    titles = ["what happened", "exit", "left", "left after upkeep", "exit again", "right", "begun twice"]
    with tempfile.TemporaryDirectory() as name, prefect_server(Path(name, "prefect"), 4299) as (server, _):
        print(line(titles), line(["---"] * len(titles)), sep="\n", flush=True)
        for number, case in enumerate(CASES):
            if not words or any(word in case.name for word in words):
                try:
                    row = play(case, Path(name, f"{number:02}"), server)
                except Exception as error:  # the row says so, and the others are still worth having
                    row = [case.name, f"{type(error).__name__}: {error}"]
                print(line(row), flush=True)


if __name__ == "__main__":
    main()
