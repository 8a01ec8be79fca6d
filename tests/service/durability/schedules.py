"""Job schedules in the midst of random kills: each makes its jobs, one after the other, and none of them twice."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.service.durability.belief import Answer, Belief
from tests.service.durability.calls import Caller
from tests.service.durability.resources import Document, Resource, Step, changed, created, may_be
from tests.support.account import Account, shell

_MOST = 2
_OPEN = ("there", "disabled")
_STATES = {"there": ("active",), "disabled": ("disabled",), "terminated": ("terminating", "completed")}
_ENDED_JOBS = ("terminating", "completed", "deleting")


class Schedules:
    """The job schedules of one account, each with a job a minute whose manager is all its work.

    Args:
        caller: what makes the calls.
        chance: what chooses them.
        mark: makes the file in which the runs of a job manager leave their marks.
        pool: the pool of the jobs.
    """

    def __init__(self, caller: Caller, chance: random.Random, mark: Callable[[str], Path], pool: str) -> None:
        self._caller, self._random, self._mark, self._pool = caller, chance, mark, pool
        self.beliefs: dict[str, Belief[Resource]] = {}

    def change(self, account: Account) -> Answer:
        """Makes a schedule, or changes one."""
        open_ones = [name for name, belief in self.beliefs.items() if may_be(belief, *_OPEN)]
        if len(open_ones) < _MOST:
            return self._make(account, f"schedule-{len(self.beliefs) + 1}")
        name, value = self._random.choice(open_ones), self._random.randint(1, 9)
        calls: list[tuple[str, str, Document | None, Step]] = [
            ("PATCH", "", {"metadata": _metadata(value)}, changed(*_OPEN, value=value)),
            ("POST", "/disable", None, changed(*_OPEN, refusable=True, fate="disabled")),
            *[("POST", "/enable", None, changed(*_OPEN, refusable=True, fate="there"))] * 2,
            ("POST", "/terminate", None, changed(*_OPEN, fate="terminated")),
            ("DELETE", "", None, changed(*_OPEN, "terminated", fate="deleted")),
        ]
        method, path, body, step = self._random.choice(calls)
        answer = self._caller.send(account, method, f"/jobschedules/{name}{path}", body)
        self.beliefs[name].hear(answer, step)
        return answer

    def _make(self, account: Account, name: str) -> Answer:
        self.beliefs[name] = Belief(name, Resource())
        manager = {"id": "manager", "commandLine": shell(f"echo >> {self._mark('$AZ_BATCH_JOB_ID')}.begin")}
        body = {
            "id": name,
            "schedule": {"recurrenceInterval": "PT1M"},
            "jobSpecification": {"poolInfo": {"poolId": self._pool}, "jobManagerTask": manager},
            "metadata": _metadata(0),
        }
        answer = self._caller.send(account, "POST", "/jobschedules", body)
        self.beliefs[name].hear(answer, created())
        return answer

    def see(self, shown: Mapping[str, Document], jobs: Mapping[str, Document]) -> None:
        """Compares what is shown with what is known.

        Args:
            shown: the schedules, by id.
            jobs: the jobs of all schedules, by id.

        Raises:
            AssertionError: they do not agree, or a schedule has two jobs at a time or has left one out.
        """
        assert set(shown) <= set(self.beliefs)
        for name, belief in self.beliefs.items():
            document = shown.get(name)
            belief.see(document, _fits(document))
            own = _jobs_of(name, jobs)
            assert len([job for job in own.values() if job["state"] not in _ENDED_JOBS]) <= 1, f"{name}: {own}"
            if document is not None and document["state"] != "deleting":
                assert set(own) == {f"{name}:job-{number + 1}" for number in range(len(own))}

    def busy(self, shown: Mapping[str, Document], jobs: Mapping[str, Document]) -> list[str]:
        """Names schedules that have still something to do before it is time for the next job."""
        waiting = []
        for name, document in shown.items():
            states = [job["state"] for job in _jobs_of(name, jobs).values()]
            begun = bool(states) or document["state"] != "active"
            if document["state"] in ("terminating", "deleting") or not begun or set(states) - {"completed"}:
                waiting.append(name)
        return waiting

    def check_runs(self, job: str, manager: Document) -> None:
        """Tells whether the manager of a job, if it has ended by itself, has run as often as it should.

        Raises:
            AssertionError: it has not, or too often.
        """
        mark, info = self._mark(f"{job}.begin"), manager["executionInfo"]
        runs = len(mark.read_text().splitlines()) if mark.exists() else 0
        assert ("exitCode" in info) <= runs <= 1 + info["requeueCount"], f"{job} was managed {runs} times: {info}"


def _metadata(value: int) -> list[dict[str, str]]:
    return [{"name": "value", "value": str(value)}]


def _jobs_of(name: str, jobs: Mapping[str, Document]) -> dict[str, Document]:
    return {job: document for job, document in jobs.items() if job.startswith(f"{name}:")}


def _fits(document: Document | None) -> Callable[[Resource], bool]:
    def fits(state: Resource) -> bool:
        if document is None or document["state"] == "deleting":
            return state.fate == "deleted" or (document is None and state.fate == "absent")
        value = int(document["metadata"][0]["value"])
        return document["state"] in _STATES.get(state.fate, ()) and value == state.value

    return fits
