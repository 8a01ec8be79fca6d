"""Whether a map is faster in parts: one run, or two with ``--part``, on one account, one pool, or two accounts.

    python -m benchmarks.split_runs [--rounds 1] [--json] [WORD...]

Accounts are local ones with simulated nodes, each with a service and a quota of cores of its own. The same inputs (a
sweep) are done under conditions that each make something else the limit; words choose those that hold one of them:

quota      tasks of 2 s on as many nodes as an account has cores for: 10 nodes of 4 slots
rate       tasks that take no time on 100 nodes of 8 slots: the run's own process, and the service
latency    the same, with 30 ms for each request

Contenders: one run; two runs on one account, which halve its nodes; two on one pool that is there already (``--pool``)
and has all of them; two runs on two accounts. Medians of the rounds: seconds until the last has ended; seconds from the
first task's start to the last one's end, of the run for which that is longer; CPU seconds of the runs together, and
those of the services; the most memory that one run took, in MiB. ``busy`` is CPU seconds of a run over its seconds: at
1 a process of Python does no more. The target is of the tasks' time: seconds hold the start of processes, which on a
busy machine is most of them.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential

from benchmarks.arguments import amount, refuse_unknown
from benchmarks.findings import Target, at_most, show
from benchmarks.map_process import MIB, Cost, MapProcess
from benchmarks.prefect_servers import AS_DEPLOYED, busy, prefect
from benchmarks.trial import heed_signals
from localbatch.launcher import LocalAzure
from prefect_azure_batch.flows.environment import RECORDING

_POOL, _SIZE, _CORES = "shared", "standard_d2s_v3", 2
# SQLite may be locked for seconds where two runs begin at once.
_PATIENT = {"PREFECT_CLIENT_MAX_RETRIES": "8"}


@dataclass(frozen=True)
class Condition:
    """What accounts are like, and what is to be done.

    Attributes:
        inputs: how many.
        nodes, slots: what one account has.
        options: of each local Azure.
    """

    name: str
    inputs: int
    nodes: int
    slots: int
    options: tuple[str, ...]

    def account(self) -> LocalAzure:
        """A new account."""
        quota = f"--dedicated-core-quota={self.nodes * _CORES}"
        return LocalAzure(driver="simulated", attach=False, options=(quota, *self.options))


CONDITIONS = (
    Condition("quota", 800, 10, 4, ("--task-seconds=2",)),
    Condition("rate", 3000, 100, 8, ()),
    Condition("latency", 1000, 100, 8, ("--latency-ms=30",)),
)


@dataclass(frozen=True)
class Measured:
    """One round of a contender."""

    seconds: float
    tasks: float
    flow_cpu: float
    service_cpu: float
    peak: float


class Round:
    """The runs of a contender, at the same time.

    Args:
        condition: of the accounts.
        folder: takes what the runs need.
        url: of the Prefect server.
    """

    def __init__(self, condition: Condition, folder: Path, url: str) -> None:
        self._condition, self._folder = condition, folder
        self._own = {**AS_DEPLOYED, **_PATIENT, "PREFECT_API_URL": url}

    def start(self, azure: LocalAzure, pool: Sequence[str], part: str = "") -> MapProcess:
        """Starts a run."""
        words = ["--sweep", f"seed=1..{self._condition.inputs}", "--command", "echo {seed}", *pool]
        folder = self._folder / (part.partition("/")[0] or "whole")
        return MapProcess(azure.endpoints, folder, [*words, *(["--part", part] if part else [])], self._own)

    def own_pool(self, share: int = 1) -> list[str]:
        """A pool made for the run, with so small a share of the account's nodes."""
        return ["--nodes", str(self._condition.nodes // share), "--slots", str(self._condition.slots)]

    def shared_pool(self, azure: LocalAzure) -> list[str]:
        """A pool that is there before the runs, with all nodes of the account."""
        make_pool(azure, self._condition)
        return ["--pool", _POOL]


def make_pool(azure: LocalAzure, condition: Condition) -> None:
    """Makes a pool, and waits until its nodes are idle."""
    endpoints = azure.endpoints
    client = BatchClient(
        endpoints.batch_endpoint, AzureNamedKeyCredential(endpoints.batch_account, endpoints.batch_key)
    )
    image = next(image for image in client.list_supported_images() if image.os_type == models.OSType.LINUX)
    machine = models.VirtualMachineConfiguration(
        image_reference=image.image_reference, node_agent_sku_id=image.node_agent_sku_id
    )
    client.create_pool(
        models.BatchPoolCreateOptions(
            id=_POOL,
            vm_size=_SIZE,
            virtual_machine_configuration=machine,
            target_dedicated_nodes=condition.nodes,
            task_slots_per_node=condition.slots,
        )
    )
    while sum(1 for _ in client.list_nodes(_POOL, filter="state eq 'idle'")) < condition.nodes:
        time.sleep(0.2)


Contender = Callable[[Round, list[LocalAzure]], list[MapProcess]]


def one_run(runs: Round, accounts: list[LocalAzure]) -> list[MapProcess]:
    """All by one run."""
    return [runs.start(accounts[0], runs.own_pool())]


def two_runs(runs: Round, accounts: list[LocalAzure]) -> list[MapProcess]:
    """Two runs on one account, with a half of its nodes each."""
    return [runs.start(accounts[0], runs.own_pool(2), part) for part in ("1/2", "2/2")]


def one_pool(runs: Round, accounts: list[LocalAzure]) -> list[MapProcess]:
    """Two runs on one pool that is there."""
    pool = runs.shared_pool(accounts[0])
    return [runs.start(accounts[0], pool, part) for part in ("1/2", "2/2")]


def two_accounts(runs: Round, accounts: list[LocalAzure]) -> list[MapProcess]:
    """Two runs, each on an account of its own."""
    return [runs.start(azure, runs.own_pool(), part) for azure, part in zip(accounts, ("1/2", "2/2"), strict=True)]


CONTENDERS: dict[str, tuple[Contender, int]] = {
    "one run": (one_run, 1),
    "two runs, one account": (two_runs, 1),
    "two runs, one pool": (one_pool, 1),
    "two runs, two accounts": (two_accounts, 2),
}


def measure(condition: Condition, contender: Contender, accounts: int, url: str) -> Measured:
    """One round."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="split-")))
        azures = [stack.enter_context(condition.account()) for _ in range(accounts)]
        before = sum(busy(azure.endpoints.pid) for azure in azures)
        runs = contender(Round(condition, folder, url), azures)
        for run in runs:
            stack.callback(run.stop)
        costs: list[Cost] = [run.wait() for run in runs]
        if (ended := sum(run.results() for run in runs)) != condition.inputs:
            raise SystemExit(f"{ended} of {condition.inputs} results are there:\n{runs[0].said()[-2000:]}")
        tasks = max(run.span() for run in runs)
        services = sum(busy(azure.endpoints.pid) for azure in azures) - before
    return Measured(
        max(cost.seconds for cost in costs),
        tasks,
        sum(cost.cpu for cost in costs),
        services,
        max(cost.peak for cost in costs) / MIB,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--rounds", type=amount, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    refuse_unknown(parser, asked.words, [each.name for each in CONDITIONS])
    heed_signals()
    wanted = [each for each in CONDITIONS if not asked.words or any(word in each.name for word in asked.words)]
    found: dict[tuple[Condition, str], list[Measured]] = {}
    with tempfile.TemporaryDirectory(prefix="split-prefect-") as name:
        home = Path(name, "home")
        home.mkdir()
        with prefect(home, RECORDING) as (url, _):
            for _ in range(asked.rounds):
                for condition in wanted:
                    for who, (contender, accounts) in CONTENDERS.items():
                        measured = measure(condition, contender, accounts, url)
                        found.setdefault((condition, who), []).append(measured)
                        print(condition.name, who, measured, file=sys.stderr, flush=True)
    show(*table(found), as_json=asked.json)


def table(found: dict[tuple[Condition, str], list[Measured]]) -> tuple[list[dict[str, object]], list[Target]]:
    """Rows, and what follows from them."""
    rows: list[dict[str, object]] = []
    middle = {key: statistics.median(run.seconds for run in runs) for key, runs in found.items()}
    spans = {key: statistics.median(run.tasks for run in runs) for key, runs in found.items()}
    for (condition, who), runs in found.items():
        cpu, seconds = statistics.median(run.flow_cpu for run in runs), middle[condition, who]
        rows.append({
            "condition": condition.name,
            "runs": who,
            "inputs": condition.inputs,
            "seconds": round(seconds, 1),
            "tasks": round(spans[condition, who], 1),
            "flow CPU": round(cpu, 1),
            "busy": round(cpu / seconds / (1 if who == "one run" else 2), 2),
            "service CPU": round(statistics.median(run.service_cpu for run in runs), 1),
            "MiB": round(statistics.median(run.peak for run in runs)),
        })  # fmt: skip
    targets = [
        at_most(0.6, spans[condition, "two runs, two accounts"] / spans[condition, "one run"],
                "quota: time of tasks in two runs on two accounts over one run on one")
        for condition in {condition for condition, _ in found} if condition.name == "quota"
    ]  # fmt: skip
    return rows, targets


if __name__ == "__main__":
    main()
