"""Whether a service shows what an account's client may expect of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.service.durability.belief import Answer, Belief
from tests.service.durability.resources import (
    RETRIES,
    Document,
    Job,
    Resource,
    changed,
    job_fits,
    may_be,
    pool_fits,
    task_fits,
)
from tests.service.durability.world import OWN, World
from tests.support.account import Account
from tests.support.processes import wait_until

SECONDS_TO_SETTLE = 120.0


def look(world: World, account: Account) -> None:
    """Compares all that is shown with all that is known, and learns from it.

    Raises:
        AssertionError: something acknowledged is gone, something removed is back, or something has changed by itself.
    """
    pools = {name: pool for name, pool in _list(account, "/pools").items() if not name.startswith(OWN)}
    _compare(world.pools, pools, lambda name: pool_fits(pools.get(name)))
    jobs, scheduled = _list_jobs(account)
    world.schedules.see(_list(account, "/jobschedules"), scheduled)
    beliefs = {name: job.belief for name, job in world.jobs.items()}
    _compare(beliefs, jobs, lambda name: job_fits(jobs.get(name)))
    for name, document in jobs.items():
        if document["state"] != "deleting":
            _look_at_tasks(world.jobs[name], _list(account, f"/jobs/{name}/tasks"))


def settle(world: World, account: Account) -> None:
    """Enables what is disabled, waits until nothing is to be done any more, and looks whether all of it was done.

    Raises:
        AssertionError: something was not done, or more often than it should.
    """
    look(world, account)
    _wait_for_none(lambda: _enable(world, account))
    _wait_for_none(lambda: [*_busy_pools(account), *_busy_jobs(world, account), *_odd_pools(world, account)])
    look(world, account)
    jobs, scheduled = _list_jobs(account)
    for name in jobs:
        _check_runs(world, account, name)
    for name in scheduled:
        world.schedules.check_runs(name, _list(account, f"/jobs/{name}/tasks")["manager"])


def left_behind(world: World, root: Path) -> list[Path]:
    """Directories of what was deleted."""
    nodes = root / "nodes" / world.name
    pools = [nodes / name for name, belief in world.pools.items() if not may_be(belief, "there")]
    jobs = [name for name, job in world.jobs.items() if not may_be(job.belief, "there", "disabled", "terminated")]
    trees = [path for name in jobs for path in nodes.glob(f"*/*/workitems/{name}")]
    return [path for path in (*pools, *trees) if path.exists()]


def _list(account: Account, path: str) -> dict[str, Document]:
    """All pages of a list, by id."""
    found: dict[str, Document] = {}
    following: str | None = f"{path}?maxresults=50"
    while following:
        response = account.send("GET", following)
        assert response.status_code == 200, f"{path}: {response.text()}"
        page: dict[str, Any] = response.json()
        found |= {each["id"]: each for each in page["value"]}
        link = urlsplit(page.get("odata.nextLink", ""))
        query = "&".join(part for part in link.query.split("&") if not part.startswith("api-version"))
        following = f"{link.path}?{query}" if link.path else None
    return found


def _list_jobs(account: Account) -> tuple[dict[str, Document], dict[str, Document]]:
    """The jobs made by the client, and those made by its schedules."""
    jobs = _list(account, "/jobs")
    scheduled = {name: document for name, document in jobs.items() if ":" in name}
    return {name: document for name, document in jobs.items() if name not in scheduled}, scheduled


def _compare(
    beliefs: Mapping[str, Belief[Resource]],
    shown: Mapping[str, Document],
    fits: Callable[[str], Callable[[Resource], bool]],
) -> None:
    assert set(shown) <= set(beliefs)
    for name, belief in beliefs.items():
        belief.see(shown.get(name), fits(name))


def _look_at_tasks(job: Job, shown: Mapping[str, Document]) -> None:
    beliefs = {name: task.belief for name, task in job.tasks.items()}
    _compare(beliefs, shown, lambda name: task_fits(shown.get(name), job.tasks[name], job))
    for name, document in shown.items():
        task, info = job.tasks[name], document["executionInfo"]
        if document["state"] == "completed":
            assert task.end in (None, info), f"{name} has ended twice: {task.end}, {info}"
            task.end = info


def _wait_for_none(pending: Callable[[], list[str]]) -> None:
    try:
        wait_until(lambda: not pending(), SECONDS_TO_SETTLE)
    except AssertionError as error:
        raise AssertionError(f"still not done: {pending()}") from error


def _enable(world: World, account: Account) -> list[str]:
    for name, job in world.jobs.items():
        if may_be(job.belief, "disabled") and account.send("POST", f"/jobs/{name}/enable").status_code == 202:
            job.belief.hear(Answer.DONE, changed("disabled", fate="there"))
    return [name for name, job in world.jobs.items() if may_be(job.belief, "disabled")]


def _busy_pools(account: Account) -> list[str]:
    return [
        name
        for name, pool in _list(account, "/pools").items()
        if (pool["state"], pool["allocationState"]) != ("active", "steady")
        or pool["currentDedicatedNodes"] != pool["targetDedicatedNodes"]
    ]


def _odd_pools(world: World, account: Account) -> set[str]:
    """Pools of jobs that have ended, and those that jobs should have and have not."""
    jobs = {name: job for name, job in _list_jobs(account)[0].items() if world.jobs[name].owner}
    wanted = {job["executionInfo"]["poolId"] for job in jobs.values() if job["state"] != "completed"}
    return wanted ^ {name for name in _list(account, "/pools") if name.startswith(OWN)}


def _busy_jobs(world: World, account: Account) -> list[str]:
    jobs, scheduled = _list_jobs(account)
    busy = world.schedules.busy(_list(account, "/jobschedules"), scheduled)
    for name, document in jobs.items():
        if document["state"] not in ("active", "completed"):
            busy.append(name)
        elif document["state"] == "active":
            tasks = _list(account, f"/jobs/{name}/tasks")
            waiting = {task for task, shown in tasks.items() if shown["state"] != "completed"}
            blocked = {task for task in waiting if _waits_for_ever(task, tasks)}
            ends_with_tasks = document["onAllTasksComplete"] == "terminatejob"
            busy += [name] if ends_with_tasks and not blocked else sorted(waiting - blocked)
    return busy


def _waits_for_ever(name: str, tasks: Mapping[str, Document]) -> bool:
    """Whether a task waits for one that was ended with its job, or for one that does so itself."""
    wanted = [tasks[former] for former in tasks[name].get("dependsOn", {}).get("taskIds", [])]
    return any(former["executionInfo"].get("result") == "failure" for former in wanted) or any(
        former["state"] != "completed" and _waits_for_ever(former["id"], tasks) for former in wanted
    )


def _check_runs(world: World, account: Account, name: str) -> None:
    job, shown = world.jobs[name], _list(account, f"/jobs/{name}/tasks")
    states = Counter(document["state"] for document in shown.values())
    counts = account.client.get_job_task_counts(name).task_counts
    counted = {"active": counts.active, "running": counts.running, "completed": counts.completed}
    assert counted == {state: states[state] for state in counted}, f"{name}: {states}"
    finished = 0
    for task_id, document in shown.items():
        info, runs = document["executionInfo"], _runs(world.mark(f"{task_id}.begin"))
        assert runs <= 1 + info["retryCount"] + info["requeueCount"], f"{task_id} ran {runs} times: {info}"
        if "exitCode" in info:
            finished += 1
            assert runs > info["retryCount"], f"{task_id} ran {runs} times: {info}"
            assert info["retryCount"] == (RETRIES if job.tasks[task_id].fails else 0)
    if job.careful and finished and account.client.get_job(name).state == "completed":
        assert _runs(world.mark(f"{name}.end")) > 0, f"no release task has run for {name}"


def _runs(mark: Path) -> int:
    return len(mark.read_text().splitlines()) if mark.exists() else 0
