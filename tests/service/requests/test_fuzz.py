"""Whatever is sent, the service answers in its own form, says what is wrong with it, and lives on.

Requests are made up for a set time. ``LOCALBATCH_FUZZ_SECONDS=600 LOCALBATCH_FUZZ_SEED=7 python -m pytest -n0
tests/service/requests/test_fuzz.py`` looks longer, and elsewhere; ``LOCALBATCH_FUZZ_DRIVER=process`` truly runs the few
harmless commands there are. A failure shows the request.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from localbatch.wire.connection import Endpoints
from tests.conformity.answers import Exchange, check
from tests.conformity.cases import Maker, garble
from tests.conformity.listener import HEARD, NOTES
from tests.conformity.raw import RawClient, code_of
from tests.support.processes import wait_until

SECONDS = float(os.environ.get("LOCALBATCH_FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("LOCALBATCH_FUZZ_SEED", "1"))
INTENDED = ("NotEmulated", "TooManyEnableAutoScaleRequests")
"""Codes with a status of 5xx that Azure or this service means to answer with."""
DRIVER = os.environ.get("LOCALBATCH_FUZZ_DRIVER", "simulated")
_IMAGE = {
    "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
    "nodeAgentSKUId": "batch.node.ubuntu 24.04",
}
_RESOURCES: tuple[tuple[str, dict[str, object]], ...] = (
    (
        "/pools",
        {"id": "pool", "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": _IMAGE, "targetDedicatedNodes": 1},
    ),
    ("/jobs", {"id": "job", "poolInfo": {"poolId": "pool"}}),
    ("/jobs/job/tasks", {"id": "task", "commandLine": "true"}),
    ("/jobschedules", {"id": "schedule", "schedule": {}, "jobSpecification": {"poolInfo": {"poolId": "pool"}}}),
)


@dataclass(frozen=True)
class Target:
    """A service that is shot at, and its log."""

    raw: RawClient
    log: Path

    def restore(self) -> None:
        """Creates what was deleted, and something new to begin with."""
        for path in ("/jobs/job", "/jobs/schedule", "/jobschedules/schedule", "/jobschedules/job"):
            self.raw.send("DELETE", f"{path}?force=true")
        for path, body in _RESOURCES:
            self.raw.send("POST", path, body=json.dumps(body).encode())

    def node(self) -> str:
        """Returns the id of a node."""
        nodes = json.loads(self.raw.send("GET", "/pools/pool/nodes").body or b"{}").get("value", [])
        return str(nodes[0]["id"]) if nodes else "tvmps_none"

    def is_well(self) -> None:
        """Checks that it lives on and has not lost its composure."""
        said = self.log.read_text(errors="replace")
        for word in ("Traceback", "Internal error", "Exception"):
            assert word not in said, said[max(0, said.index(word) - 500) :][:4000]
        assert self.raw.send("GET", "/pools").status == 200


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A service of its own, whose nodes run nothing, with one of each resource."""
    log = tmp_path_factory.mktemp("fuzz") / "log"
    command = [sys.executable, "-m", "localbatch", "--no-storage", f"--driver={DRIVER}", "--stop-with-stdin"]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        try:
            found = Target(RawClient(Endpoints.from_line(process.stdout.readline()), "fuzzed"), log)
            found.restore()
            wait_until(lambda: found.node() != "tvmps_none", 30)
            yield found
        finally:
            process.terminate()
            process.wait(30)


def rounds(about: str, once: Callable[[random.Random], int]) -> None:
    """Repeats something by chance until time is up; the same seed makes the same rounds.

    Args:
        about: what is repeated.
        once: does it, and returns the status of the answer.
    """
    deadline = monotonic() + SECONDS
    answers: Counter[int] = Counter()
    while monotonic() < deadline:
        answers[once(random.Random(f"{SEED}/{answers.total()}")) // 100] += 1
    kinds = ", ".join(f"{count} times {kind}xx" for kind, count in sorted(answers.items()))
    NOTES.append(f"{answers.total()} {about} in {SECONDS:g} s, seed {SEED}: {kinds}")


def test_made_up_requests_are_answered_in_the_form_of_the_service(target: Target) -> None:
    node = target.node()

    def once(chance: random.Random) -> int:
        nonlocal node
        if chance.random() < 0.04:
            target.restore()
            node = target.node()
        case = Maker(chance, node).case()
        exchange = target.raw.send(case.verb, case.target, case.headers, case.body)
        assert complaints(exchange) == [], case
        return exchange.status

    rounds("made-up requests", once)
    target.is_well()


def complaints(exchange: Exchange) -> list[str]:
    operation = exchange.operation
    HEARD[operation.name if operation else "unknown"] += 1
    found = check(exchange)
    if exchange.status >= 500 and code_of(exchange) not in INTENDED:
        found.append(f"it is answered with {exchange.status}")
    return found


def test_garbled_requests_do_no_harm(target: Target) -> None:
    node = target.node()

    def once(chance: random.Random) -> int:
        case = Maker(chance, node).case()
        body = case.body or b""
        head = target.raw.head(case.verb, case.target, [*case.headers, ("Content-Length", str(len(body)))])
        lines = [f"{case.verb} {case.target} HTTP/1.1", *(f"{name}: {value}" for name, value in head)]
        raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
        answer = target.raw.speak(garble(chance, raw))
        status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0
        assert answer == b"" or 200 <= status < 500 or any(code.encode() in answer for code in INTENDED), answer
        return status

    rounds("garbled requests", once)
    target.is_well()
