"""What signals do to a run."""

import itertools
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from prefect_azure_batch.flows.endings import (
    Interrupted,
    ended_by_signals,
    ended_by_unhandled_signals,
    first_signal,
    notes_of,
    undisturbed,
)


class OfPrefect(BaseException):
    """As Prefect tells SIGTERM."""

    signal = signal.SIGTERM


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Sets again what a program that is told to end leaves behind."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_ends_what_runs(number: signal.Signals) -> None:
    with pytest.raises(Interrupted) as ended, ended_by_signals():
        os.kill(os.getpid(), number)
    assert ended.value.number == number


@pytest.mark.parametrize("number", SIGNALS)
def test_a_program_that_has_been_told_to_end_is_not_disturbed_by_more(number: signal.Signals) -> None:
    with pytest.raises(Interrupted), ended_by_signals():
        os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), number)


def test_a_second_signal_on_the_way_out_changes_nothing() -> None:
    passed = []

    def run() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            passed.append(True)

    with pytest.raises(Interrupted) as ended, ended_by_signals():
        run()
    assert (ended.value.number, passed) == (signal.SIGINT, [True])


def test_handlers_of_others_wait_meanwhile() -> None:
    told = []

    def run() -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as ended, ended_by_signals():
        run()
    assert (ended.value.number, told) == (signal.SIGINT, [])


@pytest.mark.parametrize("number", SIGNALS)
def test_no_signal_disturbs_a_clean_up(number: signal.Signals) -> None:
    done = []

    def run() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            with undisturbed():
                os.kill(os.getpid(), number)
                done.append(number)

    with pytest.raises(Interrupted), ended_by_signals():
        run()
    assert done == [number]


def test_all_is_as_before_in_the_end() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with ended_by_signals(), undisturbed():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_what_was_to_be_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ended_by_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_what_somebody_handles_is_left_to_him() -> None:
    told = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: told.append(number))
    try:
        with ended_by_unhandled_signals():
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Interrupted), ended_by_unhandled_signals():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert told == [signal.SIGTERM]


def test_another_thread_changes_nothing() -> None:
    found = []

    def look() -> None:
        with ended_by_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before]


def test_notes_are_found_on_the_error_and_on_what_it_followed() -> None:
    first, second = ValueError("first"), Interrupted(15)
    first.add_note("pool left")
    second.__context__ = first
    assert notes_of(second) == ["pool left"]


@pytest.mark.parametrize(
    ("errors", "number"),
    [
        ([KeyboardInterrupt()], signal.SIGINT),
        ([Interrupted(signal.SIGHUP)], signal.SIGHUP),
        ([OfPrefect()], signal.SIGTERM),
        ([OfPrefect(), Interrupted(signal.SIGHUP)], signal.SIGTERM),
        ([Interrupted(signal.SIGINT), OfPrefect()], signal.SIGINT),
        ([Interrupted(signal.SIGTERM), ValueError(), KeyboardInterrupt()], signal.SIGTERM),
        ([ValueError(), KeyboardInterrupt()], signal.SIGINT),
        ([ValueError()], None),
        ([SystemExit(3)], None),
    ],
)
def test_the_first_signal_counts(errors: list[BaseException], number: int | None) -> None:
    for before, error in itertools.pairwise(errors):
        error.__context__ = before
    assert first_signal(errors[-1]) == number
