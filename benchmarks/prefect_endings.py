"""What is left of a map that Prefect runs, or is to be told of, when a worker, a server or Prefect's own orders end it.

    python -m benchmarks.prefect_endings [WORD...]       only the rows whose names hold one of these words

The columns are those of ``endings``; for a run that a worker or ``serve()`` has started, the exit status is that of the
worker, and beside it stands the state that Prefect ends up with.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import httpx
import psutil

from benchmarks.arguments import refuse_unknown
from benchmarks.endings import BEGUN, CLEAN_SECONDS, finish
from benchmarks.trial import Trial, heed_signals, line, prefect_server, wait_until

_PORT = 4297
_INPUTS = 40
_SERVE = "from prefect_azure_batch.flows.map_flow import map_flow\nmap_flow.serve('served')"
_DEPLOY = """
name: trial
deployments:
  - name: lab
    entrypoint: prefect_azure_batch.flows.map_flow.map_flow
    work_pool: {name: trial}
"""

Happens = Callable[[Trial, "subprocess.Popen[bytes]", str], object]
"""What happens to a worker, or a ``serve()``, and the flow run whose id is given."""
Row = Callable[[Trial], list[object]]


def prefect(trial: Trial, *arguments: str) -> str:
    """Runs a command of Prefect."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", *arguments]
    done = subprocess.run(command, cwd=trial.home, env=trial.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-300:] or done.stdout[-300:])
    return done.stdout


@contextmanager
def runner(trial: Trial, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that runs flow runs, in a group of its own, until the context ends."""
    with (trial.home / "runner.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=trial.home, env=trial.environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def send(number: signal.Signals, *, group: bool = False) -> Happens:
    """Sends a signal to the worker, or to its group as a terminal does."""

    def do(trial: Trial, process: "subprocess.Popen[bytes]", run: str) -> None:
        os.killpg(process.pid, number) if group else process.send_signal(number)

    return do


def kill_child(trial: Trial, process: "subprocess.Popen[bytes]", run: str) -> None:
    """Kills the process of the flow run alone."""
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if child.environ().get("PREFECT__FLOW_RUN_ID", "").endswith(run):
                child.kill()


def cancel(trial: Trial, process: object, run: str) -> None:
    """Cancels the flow run, as the button in the UI does."""
    state = {"state": {"type": "CANCELLING"}}
    httpx.post(f"{trial.server}/flow_runs/{run}/set_state", json=state, timeout=30).raise_for_status()


CASES: dict[str, tuple[str, Happens]] = {
    "worker SIGTERM": ("worker", send(signal.SIGTERM)),
    "worker SIGINT": ("worker", send(signal.SIGINT)),
    "worker Ctrl-C, its group": ("worker", send(signal.SIGINT, group=True)),
    "worker SIGKILL": ("worker", send(signal.SIGKILL)),
    "worker SIGKILL, its group": ("worker", send(signal.SIGKILL, group=True)),
    "worker's child killed": ("worker", kill_child),
    "cancelled, worker": ("worker", cancel),
    "serve() SIGTERM": ("serve", send(signal.SIGTERM)),
    "serve() Ctrl-C, its group": ("serve", send(signal.SIGINT, group=True)),
    "serve() SIGKILL, its group": ("serve", send(signal.SIGKILL, group=True)),
    "cancelled, serve()": ("serve", cancel),
}
_LATER = ("cancelled, command line", "Prefect killed")


def play(name: str, kind: str, happens: Happens, trial: Trial) -> list[object]:
    """A row for a run that a worker or ``serve()`` has started."""
    command: tuple[str, ...]
    if kind == "worker":
        command, deployment = ("-m", "prefect", "worker", "start", "--pool", "trial"), "azure-batch-map/lab"
        (trial.home / "prefect.yaml").write_text(_DEPLOY)
        with suppress(RuntimeError):  # it is there already
            prefect(trial, "work-pool", "create", "trial", "--type", "process")
        prefect(trial, "deploy", "--all")
    else:
        command, deployment = ("-c", _SERVE), "azure-batch-map/served"
    with runner(trial, *command) as process:
        if kind == "serve":
            wait_until(lambda: "served" in prefect(trial, "deployment", "ls"), 60)
        parameters = json.dumps(trial.parameters)
        prefect(trial, "deployment", "run", deployment, "--param", f"run={parameters}")
        wait_until(lambda: trial.begun() >= BEGUN, 120)
        (run,) = [pool.split("map-")[1] for pool in trial.left() if pool.startswith("pool")]
        happens(trial, process, run)
        clean = trial.seconds_until_clean(CLEAN_SECONDS)
        time.sleep(3)
        status = process.poll()
    state = json.loads(prefect(trial, "flow-run", "inspect", run, "--output", "json"))["state"]["name"]
    row = finish(trial, name, f"{'goes on' if status is None else status}, {state}")
    row[2] = "-" if clean is None else f"{clean:.0f} s"
    return row


def play_on_command_line(name: str, trial: Trial, happens: Callable[[str], object]) -> list[object]:
    """A row for a run that was started by hand, with a Prefect server that something happens to or that is asked."""
    run = trial.start()
    wait_until(lambda: trial.begun() >= BEGUN, 120)
    (run_id,) = [pool.split("map-")[1] for pool in trial.left() if pool.startswith("pool")]
    happens(run_id)
    begun = time.monotonic()
    status = run.wait(240)
    if status:
        sys.stderr.write(f"{name}:\n{trial.said()}\n")
    return finish(trial, name, f"{status} ({time.monotonic() - begun:.0f} s)", 30)


def main(arguments: Sequence[str] | None = None) -> None:
    """Plays the rows, and prints each as it comes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="WORD", help="parts of the names of rows; all unless said")
    words = parser.parse_args(arguments).words
    refuse_unknown(parser, words, [*CASES, *_LATER])
    heed_signals(hangup=True)
    with tempfile.TemporaryDirectory() as name, prefect_server(Path(name, "prefect"), _PORT) as (server, _):
        home = Path(name)

        def killed(trial: Trial) -> list[object]:
            with prefect_server(home / "mortal", _PORT - 1) as (mortal, process):

                def kill(run: str) -> None:
                    os.killpg(process.pid, signal.SIGKILL)
                    trial.server = server

                trial.server = mortal
                return play_on_command_line("Prefect killed", trial, kill)

        def cancelled(trial: Trial) -> list[object]:
            return play_on_command_line("cancelled, command line", trial, lambda run: cancel(trial, None, run))

        rows: dict[str, Row] = {case: partial(play, case, *how) for case, how in CASES.items()}
        rows |= dict(zip(_LATER, (cancelled, killed), strict=True))
        for number, (case, row) in enumerate(rows.items()):
            if not words or any(word in case for word in words):
                trial = Trial(home / f"{number:02}", server, inputs=_INPUTS)
                try:
                    cells = row(trial)
                except Exception as error:  # the row says so, and the others are still worth having
                    cells = [case, f"{type(error).__name__}: {error}"]
                finally:
                    trial.stop()
                print(line(cells), flush=True)


if __name__ == "__main__":
    main()
