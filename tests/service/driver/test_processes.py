"""Nothing a command has started outlives it, whatever ends it."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.nodes import TASK, Node, eventually, local_node, processes_below
from tests.support.processes import Process, descendants, process, wait_until

ROOT = Path(__file__).resolve().parents[3]
# A child in a session of its own, and a daemon: forked twice, the parent in between gone.
BACKGROUND = "setsid sleep 600 & (setsid sleep 600 & ) ; (sleep 600 & ) ;"
# Tells by a file that all is up, then stays.
STAYING = f"/bin/sh -c '{BACKGROUND} touch up; exec sleep 600'"

SERVICE = """
import asyncio, sys
from pathlib import Path
from tests.support.nodes import local_node

async def main():
    async with local_node(Path(sys.argv[1])) as node:
        await asyncio.gather(*(node.run(sys.argv[2], directory=f"workitems/job/job-1/task{n}") for n in range(3)))

asyncio.run(main())
"""


async def staying(node: Node, command: str = STAYING) -> "asyncio.Task[object]":
    """Starts a command and waits until all its processes are up."""
    running: asyncio.Task[object] = asyncio.ensure_future(node.run(command))
    await eventually(node.path("wd/up").exists)
    return running


async def test_what_a_command_leaves_in_the_background_ends_with_it(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run(f"/bin/sh -c '{BACKGROUND} exit 4'", seconds=30)
        assert node.processes() == []
    assert outcome.exit_code == 4


async def test_a_cancelled_command_ends_with_all_its_descendants_before_the_cancellation_goes_on(
    tmp_path: Path,
) -> None:
    async with local_node(tmp_path) as node:
        running = await staying(node)
        await eventually(lambda: len(node.processes()) == 4)  # setsid forks, and its parent is there for a moment
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert node.processes() == []


async def test_a_command_cancelled_twice_ends_all_the_same(tmp_path: Path) -> None:
    async with local_node(tmp_path, grace=0.3) as node:
        running = await staying(node, """/bin/sh -c 'trap "" TERM; touch up; while :; do sleep 0.05; done'""")
        for _ in range(2):
            running.cancel()
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await running
        assert node.processes() == []


async def test_a_command_cancelled_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        for pause in (0.0, 0.001, 0.003, 0.005, 0.01):
            running = asyncio.ensure_future(node.run(STAYING))
            await asyncio.sleep(pause)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert node.processes() == []


async def test_a_command_beyond_its_time_limit_is_ended_and_says_so(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run(STAYING, seconds=0.5)
        assert node.processes() == []
    assert outcome.exit_code is None
    assert outcome.failure is not None
    assert (outcome.failure.category, outcome.failure.code) == ("usererror", "TaskEnded")
    assert outcome.failure.details == (
        ("Message", "The maximum execution time configured on the task was exceeded"),
        ("AdditionalErrorCode", "FailureExitCode"),
    )


async def test_a_command_may_clean_up_when_it_is_ended(tmp_path: Path) -> None:
    async with local_node(tmp_path, grace=10) as node:
        running = await staying(
            node, """/bin/sh -c 'trap "echo good bye; exit" TERM; touch up; while :; do sleep 0.05; done'"""
        )
        running.cancel()
        await asyncio.wait([running])
        assert node.stdout() == "good bye\n"


@pytest.mark.parametrize("trick", ['trap "" TERM; touch up', "touch up; kill -STOP $$"])
async def test_a_command_that_does_not_end_gently_is_killed(trick: str, tmp_path: Path) -> None:
    async with local_node(tmp_path, grace=0.2) as node:
        running = await staying(node, f"/bin/sh -c '{trick}; while :; do sleep 0.05; done'")
        running.cancel()
        await asyncio.wait([running], timeout=10)
        assert running.cancelled()
        assert node.processes() == []


async def test_the_commands_of_a_removed_node_are_ended_and_say_so(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        running = asyncio.ensure_future(node.run(STAYING))
        await eventually(node.path("wd/up").exists)
        await node.driver.remove_node(node.place)
        assert node.processes() == []
        assert not node.place.root.exists()
        outcome = await running
    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.category, outcome.failure.code) == (None, "servererror", "TaskEnded")


async def test_a_closed_driver_has_ended_all_commands(tmp_path: Path) -> None:
    before = {found.pid for found in descendants(os.getpid())}
    async with local_node(tmp_path) as node:
        running = await staying(node)
    assert processes_below(tmp_path) == []
    assert [found for found in descendants(os.getpid()) if found.pid not in before] == []
    assert running.done()


def test_nothing_is_left_when_the_service_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVICE, str(tmp_path), STAYING], cwd=ROOT) as service:
        tasks = [tmp_path / f"node-1/workitems/job/job-1/task{number}" for number in range(3)]
        wait_until(lambda: all((task / "wd" / "up").exists() for task in tasks), 30)
        started = [*descendants(service.pid), *processes_below(tmp_path)]
        assert len(processes_below(tmp_path)) == 12
        service.kill()
    wait_until(lambda: not any(found.alive() for found in started), 10)
    assert processes_below(tmp_path) == []


async def test_a_command_whose_supervisor_is_killed_dies_with_all_its_descendants_and_has_failed(
    tmp_path: Path,
) -> None:
    async with local_node(tmp_path) as node:
        running = asyncio.ensure_future(node.run(STAYING))
        await eventually(node.path("wd/up").exists)
        (supervisor,) = {parent(found) for found in node.processes()} - {found.pid for found in node.processes()}
        os.kill(supervisor, signal.SIGKILL)
        outcome = await running
        await eventually(lambda: node.processes() == [])
    assert outcome.exit_code == 137


async def test_commands_start_again_after_their_starter_was_killed(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        running = asyncio.ensure_future(node.run("/bin/sh -c 'touch up; while test -e up; do sleep 0.05; done'"))
        await eventually(node.path("wd/up").exists)
        (command, *_) = node.processes()
        [starter, *_] = descendants(parent(Process(parent(command), "")))
        os.kill(starter.pid, signal.SIGKILL)
        # What is sent to it while it dies is lost.
        await eventually(lambda: not starter.alive())
        for number in range(3):
            assert (await node.run("true", directory=f"{TASK}{number}")).exit_code == 0
        node.path("wd/up").unlink()
        assert (await running).exit_code == 0


async def test_commands_of_a_node_follow_each_other_under_one_supervisor_and_each_has_used_its_own(
    tmp_path: Path,
) -> None:
    async with local_node(tmp_path) as node:
        busy = await node.run("/bin/sh -c 'echo $PPID; i=0; while test $i -lt 100000; do i=$((i+1)); done'")
        first = told(node)
        assert (await node.run("/absent")).exit_code is None
        idle = await node.run("/bin/sh -c 'echo $PPID'")
        assert told(node) == first
        assert idle.usage.user_seconds < busy.usage.user_seconds
        os.kill(first.pid, signal.SIGKILL)
        await eventually(lambda: not first.alive())
        assert (await node.run("/bin/sh -c 'echo $PPID'")).exit_code == 0
        last = told(node)
        assert last != first
        await node.driver.remove_node(node.place)
        await eventually(lambda: not last.alive())


async def test_two_hundred_commands_run_side_by_side(tmp_path: Path) -> None:
    meet = f"/bin/sh -c 'touch ../../$AZ_BATCH_TASK_ID; while test ! -e {tmp_path}/go; do sleep 0.2; done'"
    async with local_node(tmp_path) as node:
        runs = [
            asyncio.ensure_future(
                node.run(
                    meet, directory=f"workitems/job/job-1/task{number}", variables={"AZ_BATCH_TASK_ID": f"{number}"}
                )
            )
            for number in range(200)
        ]
        job = node.path("", "workitems/job/job-1")
        await eventually(lambda: all((job / str(number)).exists() for number in range(200)), 60)
        (tmp_path / "go").touch()
        assert {outcome.exit_code for outcome in await asyncio.gather(*runs)} == {0}


def told(node: Node) -> Process:
    """Returns the process whose id a command has printed."""
    found = process(int(node.stdout()))
    assert found is not None
    return found


def parent(child: Process) -> int:
    """Returns the id of a process's parent."""
    return int(Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[1])
