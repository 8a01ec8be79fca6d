"""A signal is heard where a process waits, and tears nothing apart elsewhere."""

import signal
import subprocess
import sys
import time

import pytest

from localbatch.host.ending import Ending, Stopped

PROGRAM = """
import os, signal, subprocess, sys, threading, time
from localbatch.host.ending import ENDING, Stopped

ENDING.listen()
threading.Timer({delay}, os.kill, (os.getpid(), signal.SIGTERM)).start()
began = time.monotonic()
try:
    while True:
        child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
        try:
            ENDING.wait({pause})
        finally:
            child.kill()
            child.wait()
except Stopped:
    print("stopped", time.monotonic() - began < 20)
"""


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.0501])
@pytest.mark.parametrize("pause", [0.0, 60.0])
def test_a_child_whose_start_is_met_by_a_signal_is_not_lost(delay: float, pause: float) -> None:
    program = PROGRAM.format(delay=delay, pause=pause)
    # Its output ends only when nobody holds it open any more, a lost child included.
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("stopped True\n", "")


def test_without_a_signal_waiting_takes_its_time_or_until_there_is_something_to_read() -> None:
    ending = Ending()
    began = time.monotonic()
    assert not ending.wait(0.05)
    assert time.monotonic() - began >= 0.05
    with subprocess.Popen(["/bin/echo", "word"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert ending.wait(10, process.stdout)
    ending.check()


def test_what_was_asked_for_before_stops_the_next_wait() -> None:
    ending = Ending()
    ending._handle(signal.SIGTERM, None)
    for wait in (ending.check, lambda: ending.wait(10)):
        with pytest.raises(Stopped):
            wait()
