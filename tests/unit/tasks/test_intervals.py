"""Growing pauses."""

from itertools import pairwise

import pytest

from prefect_azure_batch.tasks.intervals import FIRST_INTERVAL, LONGEST_INTERVAL, Rhythm, growing_pauses
from prefect_azure_batch.tasks.records import Counts


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, list[float]()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept.append(seconds)


def test_pauses_grow_up_to_a_bound() -> None:
    clock = Clock()
    looks = sum(1 for _ in growing_pauses(100, clock, clock.sleep))
    assert looks == len(clock.slept) + 1
    assert clock.slept[:3] == [0.25, 0.375, 0.5625]
    assert max(clock.slept) == 15


def test_the_last_look_is_at_the_end_of_the_time() -> None:
    clock = Clock()
    moments = [clock.now for _ in growing_pauses(1, clock, clock.sleep)]
    assert (moments[0], moments[-1]) == (0, 1)


def test_no_time_at_all_is_one_look() -> None:
    clock = Clock()
    assert [clock.now for _ in growing_pauses(0, clock, clock.sleep)] == [0]


def looks_at(tasks: int, slots: int, seconds: float, added: float = 0.0) -> list[tuple[float, Counts]]:
    """When somebody looks who follows tasks that take so long each, on so many slots, and what is seen."""
    rhythm, now, looks = Rhythm(), 0.0, list[tuple[float, Counts]]()
    while not looks or looks[-1][1].completed < tasks:
        waves, into = divmod(max(0.0, now - added), seconds)
        ended = min(tasks, int(waves * slots + slots * into / seconds))  # they do not end all at once
        running = min(slots, tasks - ended) if now >= added else 0
        looks.append((now, Counts(tasks - ended - running, running, ended, 0)))
        rhythm.note(*looks[-1])
        now += rhythm.interval
    return looks


@pytest.mark.parametrize(("tasks", "most"), [(4, 6), (100, 14), (1000, 16), (100_000, 200)])
def test_looks_at_tasks_that_end_are_few_whatever_their_number(tasks: int, most: int) -> None:
    assert len(looks_at(tasks, slots=16, seconds=0.4)) <= most


@pytest.mark.parametrize("added", [0.0, 100.0])
@pytest.mark.parametrize(("tasks", "seconds"), [(4, 1.0), (1000, 0.4), (1000, 30.0)])
def test_the_last_look_follows_the_end_closely(tasks: int, seconds: float, added: float) -> None:
    looks = looks_at(tasks, 16, seconds, added)
    end = added + tasks * seconds / 16
    assert looks[-1][0] - end <= max(FIRST_INTERVAL, 0.1 * end)
    assert max(later - sooner for (sooner, _), (later, _) in pairwise(looks)) <= LONGEST_INTERVAL


def test_a_pace_that_was_seen_for_a_moment_is_not_believed_for_long() -> None:
    rhythm = Rhythm()
    for now, ended in ((0.0, 0), (2.0, 1)):  # the first of a hundred tasks has taken its time
        rhythm.note(now, Counts(84, 16 - ended, ended, 0))
    assert rhythm.is_known
    assert rhythm.interval < 2.0


def test_looks_become_rare_while_nothing_changes_and_frequent_when_something_does() -> None:
    rhythm = Rhythm()
    waiting = Counts(active=4)
    assert rhythm.note(0.0, waiting)
    for now in range(1, 20):
        assert not rhythm.note(float(now), waiting)
    assert rhythm.interval == LONGEST_INTERVAL
    assert rhythm.note(20.0, Counts(running=4))
    assert rhythm.interval == FIRST_INTERVAL
