"""An account whose client makes random calls and remembers what must have come of them, whoever dies meanwhile."""

import random
from collections.abc import Callable
from pathlib import Path

from tests.service.durability.belief import Answer, Belief
from tests.service.durability.calls import Caller
from tests.service.durability.resources import (
    REASON,
    RETRIES,
    Document,
    Job,
    Resource,
    Step,
    Task,
    changed,
    created,
    may_be,
)
from tests.service.durability.schedules import Schedules
from tests.support.account import Account, shell

POOL = "main"
OWN = "own"
NODES = 2
_MOST_JOBS = 6
_MOST_POOLS = 3
_MOST_OPEN_TASKS = 40
_OPEN = ("there", "disabled")
_MACHINE = {
    "imageReference": {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"},
    "nodeAgentSKUId": "batch.node.ubuntu 24.04",
}
_OWN_POOL = {
    "autoPoolIdPrefix": OWN,
    "poolLifetimeOption": "job",
    "pool": {"vmSize": "standard_d2s_v3", "virtualMachineConfiguration": _MACHINE, "targetDedicatedNodes": 1},
}


class World:
    """The resources of one account.

    Args:
        name: of the account.
        seed: of its random choices.
        marks: directory in which each run of a command leaves a mark.
    """

    def __init__(self, name: str, seed: int, marks: Path) -> None:
        self.name, self.marks = name, marks
        self.caller = Caller()
        self.pools = {POOL: Belief(POOL, Resource())}
        self.jobs: dict[str, Job] = {}
        self._random, self._made = random.Random(seed), 0
        self.schedules = Schedules(self.caller, self._random, self.mark, POOL)

    def live(self, account: Account) -> None:
        """Makes random calls until one is not answered."""
        while self._choose()(account) is not Answer.LOST:
            pass

    def mark(self, name: str) -> Path:
        """The file in which the runs of a command leave their marks."""
        return self.marks / f"{self.name}-{name}"

    def _choose(self) -> Callable[[Account], Answer]:
        if may_be(self.pools[POOL], "absent"):
            return lambda account: self._make_pool(account, POOL, NODES)
        jobs = [name for name, job in self.jobs.items() if may_be(job.belief, *_OPEN, "terminated")]
        open_jobs = [job for job in self.jobs.values() if may_be(job.belief, *_OPEN)]
        tasks = [task for job in open_jobs for task in job.tasks.values()]
        deeds: list[Callable[[Account], Answer]] = [self._change_pools, self.schedules.change, self._reboot]
        if len(jobs) < _MOST_JOBS:
            deeds += [self._make_job]
        if jobs:
            job = self._random.choice(jobs)
            deeds += [lambda account: self._change_job(account, job), lambda account: self._change_task(account, job)]
            if sum(may_be(task.belief, "there") and task.end is None for task in tasks) < _MOST_OPEN_TASKS:
                deeds += [lambda account: self._add_task(account, job), lambda account: self._add_tasks(account, job)]
        return self._random.choice(deeds)

    def _new_name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._made}"

    def _make_pool(self, account: Account, name: str, nodes: int) -> Answer:
        belief = self.pools.setdefault(name, Belief(name, Resource()))
        body = {
            "id": name,
            "vmSize": "standard_d2s_v3",
            "virtualMachineConfiguration": _MACHINE,
            "taskSlotsPerNode": 4,
            "targetDedicatedNodes": nodes,
            "metadata": [{"name": "value", "value": "0"}],
        }
        answer = self.caller.send(account, "POST", "/pools", body)
        belief.hear(answer, created(nodes=nodes))
        return answer

    def _change_pools(self, account: Account) -> Answer:
        spare = [name for name, belief in self.pools.items() if name != POOL and may_be(belief, "there")]
        nodes, value = self._random.randint(0, 2), self._random.randint(1, 9)
        if len(spare) < _MOST_POOLS:
            return self._make_pool(account, self._new_name("pool"), nodes)
        name = self._random.choice(spare)
        calls: list[tuple[str, str, Document | None, Step]] = [
            ("PATCH", "", {"metadata": [{"name": "value", "value": str(value)}]}, changed("there", value=value)),
            ("POST", "/resize", {"targetDedicatedNodes": nodes}, changed("there", refusable=True, nodes=nodes)),
            ("DELETE", "", None, changed("there", fate="deleted")),
        ]
        method, path, body, step = self._random.choice(calls)
        answer = self.caller.send(account, method, f"/pools/{name}{path}", body)
        self.pools[name].hear(answer, step)
        return answer

    def _reboot(self, account: Account) -> Answer:
        """Reboots a node, whatever runs there."""
        answer = self.caller.send(account, "GET", f"/pools/{POOL}/nodes?$select=id")
        nodes = self.caller.document.get("value") if answer is Answer.DONE else None
        if not nodes:
            return answer
        return self.caller.send(account, "POST", f"/pools/{POOL}/nodes/{self._random.choice(nodes)['id']}/reboot")

    def _make_job(self, account: Account) -> Answer:
        name, careful, owner = self._new_name("job"), self._random.random() < 0.3, self._random.random() < 0.15
        job = self.jobs[name] = Job(Belief(name, Resource()), careful, owner)
        pool = {"autoPoolSpecification": _OWN_POOL} if owner else {"poolId": POOL}
        body: Document = {"id": name, "poolInfo": pool, "usesTaskDependencies": True}
        if careful:
            prepare, release = (shell(f"echo >> {self.mark(name)}.{end}; touch ready") for end in ("begin", "end"))
            body["jobPreparationTask"] = {"id": "prepare", "commandLine": prepare}
            body["jobReleaseTask"] = {"id": "release", "commandLine": release}
        answer = self.caller.send(account, "POST", "/jobs", body)
        job.belief.hear(answer, created())
        return answer

    def _change_job(self, account: Account, name: str) -> Answer:
        job, value = self.jobs[name], self._random.randint(1, 9)
        how = self._random.choice(("requeue", "terminate", "wait"))
        calls: list[tuple[str, str, Document | None, Step]] = [
            ("PATCH", "", {"priority": value}, changed(*_OPEN, value=value)),
            ("PATCH", "", {"onAllTasksComplete": "terminatejob"}, changed(*_OPEN, auto=True)),
            ("POST", "/disable", {"disableTasks": how}, changed(*_OPEN, refusable=True, fate="disabled")),
            *[("POST", "/enable", None, changed("disabled", refusable=True, fate="there"))] * 2,
            ("POST", "/terminate", {"terminateReason": REASON}, changed(*_OPEN, fate="terminated")),
            ("DELETE", "", None, changed(*_OPEN, "terminated", fate="deleted")),
        ]
        method, path, body, step = self._random.choice(calls)
        job.cut = job.cut or path == "/terminate" or (path == "/disable" and how == "terminate")
        answer = self.caller.send(account, method, f"/jobs/{name}{path}", body)
        job.belief.hear(answer, step)
        return answer

    def _add_task(self, account: Account, name: str) -> Answer:
        task_id, fails = self._new_name("task"), self._random.random() < 0.2
        body = self._task(name, task_id, fails)
        answer = self.caller.send(account, "POST", f"/jobs/{name}/tasks", body)
        self._note_new(name, answer, {task_id: Task(Belief(task_id, Resource()), fails)})
        return answer

    def _add_tasks(self, account: Account, name: str) -> Answer:
        """Adds some tasks by one request, each of which waits for the one before it."""
        ids = [self._new_name("task") for _ in range(self._random.randint(2, 5))]
        tasks = {task_id: Task(Belief(task_id, Resource()), linked=True) for task_id in ids}
        bodies = [self._task(name, task_id, False, former) for former, task_id in zip([None, *ids], ids, strict=False)]
        answer = self.caller.send(account, "POST", f"/jobs/{name}/addtaskcollection", {"value": bodies})
        self._note_new(name, answer, tasks)
        return answer

    def _note_new(self, name: str, answer: Answer, tasks: dict[str, Task]) -> None:
        job = self.jobs[name]
        # A job that is refused a task says something of itself, too.
        job.belief.hear(answer, changed(*_OPEN))
        job.tasks |= tasks
        for task in tasks.values():
            task.belief.hear(answer, lambda state: {*created()(state), None})

    def _task(self, job: str, name: str, fails: bool, former: str | None = None) -> Document:
        mark, seconds = self.mark(name), self._random.choice((0, 0, 0.1, 0.5))
        checks = [f"test -e {self.mark(former)}.end || exit 8"] if former else []
        if self.jobs[job].careful:
            checks.append("test -e $AZ_BATCH_JOB_PREP_WORKING_DIR/ready || exit 9")
        steps = [
            f"echo >> {mark}.begin",
            *checks,
            f"sleep {seconds}",
            f"echo >> {mark}.end",
            *(["exit 3"] if fails else []),
        ]
        body: Document = {"id": name, "commandLine": shell("; ".join(steps))}
        if fails:
            body["constraints"] = {"maxTaskRetryCount": RETRIES}
        if former:
            body["dependsOn"] = {"taskIds": [former]}
        return body

    def _change_task(self, account: Account, name: str) -> Answer:
        tasks = [key for key, task in self.jobs[name].tasks.items() if not task.linked and may_be(task.belief, "there")]
        if not tasks:
            return Answer.REFUSED
        task_id = self._random.choice(tasks)
        task, path = self.jobs[name].tasks[task_id], f"/jobs/{name}/tasks/{task_id}"
        # Either may be refused because the job goes away meanwhile.
        if self._random.random() < 0.5:
            answer = self.caller.send(account, "POST", f"{path}/terminate")
            task.belief.hear(answer, changed("there", refusable=True, fate="ended"))
        else:
            answer = self.caller.send(account, "DELETE", path)
            task.belief.hear(answer, changed("there", "ended", refusable=True, fate="deleted"))
            if answer is Answer.LOST:
                # It is ended before it is removed.
                task.belief.hear(answer, changed("there", fate="ended"))
        return answer
