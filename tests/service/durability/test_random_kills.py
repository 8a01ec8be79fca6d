"""A service that is killed again and again, at random moments, never loses or repeats what it has acknowledged.

Clients make random calls; the service gets ``kill -9`` and starts again on the same root. A call without an answer may
have happened or not; nothing else is left to chance. Two variables make it longer, or the same again as far as threads
allow: LOCALBATCH_KILL_SECONDS and LOCALBATCH_KILL_SEED.
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError

from localbatch.launcher import LocalAzure
from tests.service.durability.look import left_behind, look, settle
from tests.service.durability.world import World
from tests.support.account import PATIENCE, Account, open_account
from tests.support.processes import process, wait_until

SECONDS = float(os.environ.get("LOCALBATCH_KILL_SECONDS", "8"))
SEED = int(os.environ.get("LOCALBATCH_KILL_SEED", random.randrange(2**32)))
LONGEST_LIFE = 1.5
WORLDS = 2


def in_all(worlds: list[World], azure: LocalAzure, deed: Callable[[World, Account], None]) -> None:
    """Does something in all worlds at the same time."""

    def enter(world: World) -> None:
        with open_account(azure.endpoints, world.name, keep=True) as account:
            deed(world, account)

    with ThreadPoolExecutor(len(worlds)) as threads:
        list(threads.map(enter, worlds))


def look_and_live(world: World, account: Account) -> None:
    # The service may be killed before there is anything to compare.
    with suppress(AzureError):
        look(world, account)
        world.live(account)


def one_life(root: Path, worlds: list[World], seconds: float) -> None:
    """Starts the service, lets the worlds go on, and kills it."""
    azure = LocalAzure(root=root, storage=False, attach=False)
    pid = azure.endpoints.pid
    killer = threading.Timer(seconds, os.kill, (pid, signal.SIGKILL))
    try:
        killer.start()
        in_all(worlds, azure, look_and_live)
        wait_until(lambda: (found := process(pid)) is None or not found.alive(), PATIENCE)
    finally:
        killer.cancel()
        azure.stop()


def killed_at_its_start(root: Path, seconds: float) -> None:
    """Starts the service and kills it before, or just when, it is ready."""
    command = [sys.executable, "-P", "-m", "localbatch", f"--root={root}", "--no-storage"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        threading.Event().wait(seconds)
        child.kill()


def processes_naming(text: str) -> list[str]:
    """Command lines of all processes of this machine that hold a text."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


@pytest.mark.timeout(SECONDS + 290)
def test_nothing_acknowledged_is_lost_or_comes_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, marks = tmp_path / "root", tmp_path / "marks"
    marks.mkdir()
    chance = random.Random(SEED)
    worlds = [World(f"world{number}", SEED + number, marks) for number in range(WORLDS)]
    lives, end = 0, time.monotonic() + SECONDS
    with capsys.disabled():
        print(f"\nLOCALBATCH_KILL_SEED={SEED}")
    while time.monotonic() < end:
        if chance.random() < 0.2:
            killed_at_its_start(root, chance.uniform(0.2, LONGEST_LIFE))
        one_life(root, worlds, chance.uniform(0.0, LONGEST_LIFE))
        lives += 1
    with LocalAzure(root=root, storage=False, attach=False) as azure:
        in_all(worlds, azure, settle)
    assert [path for world in worlds for path in left_behind(world, root)] == []
    assert processes_naming(str(marks)) == []
    with capsys.disabled():
        calls, lost = sum(world.caller.made for world in worlds), sum(world.caller.lost for world in worlds)
        print(f"{lives} kills, {calls} calls, {lost} without an answer, {len(list(marks.iterdir()))} marks of runs")
