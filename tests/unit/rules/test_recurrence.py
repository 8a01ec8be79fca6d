"""When job schedules make their jobs: each rule by example, and what must hold whatever happens."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbatch.rules.recurrence import Timing, plan, read_timing
from localbatch.wire.formats import JsonObject

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOURLY = Timing(START, interval=HOUR)
ONCE = Timing(START)


def test_a_schedule_is_read_from_the_words_of_the_wire() -> None:
    document: JsonObject = {
        "doNotRunUntil": "2026-03-01T12:00:00.0000000Z",
        "doNotRunAfter": "2026-03-02T12:00:00Z",
        "startWindow": "PT5M",
        "recurrenceInterval": "PT1H",
    }
    created = START - HOUR
    assert read_timing(document, created) == Timing(START, START + 24 * HOUR, 5 * MINUTE, HOUR)
    assert read_timing({}, created) == read_timing(None, created) == Timing(created)
    assert read_timing({"startWindow": "P10675199DT2H48M5.4775807S"}, created).window is None


def test_without_a_beginning_the_first_job_is_made_at_once() -> None:
    decided = plan(Timing(START), START, last=None, busy=False)
    assert (decided.make_job, decided.complete) == (True, False)


def test_nothing_is_made_before_the_beginning() -> None:
    decided = plan(HOURLY, START - MINUTE, last=None, busy=False)
    assert (decided.make_job, decided.complete) == (False, False)
    assert decided.next_run == decided.look_again == START


def test_a_schedule_that_does_not_recur_is_complete_when_its_job_has_ended() -> None:
    assert not plan(ONCE, START + MINUTE, last=START, busy=True).complete
    decided = plan(ONCE, START + MINUTE, last=START, busy=False)
    assert decided.complete
    assert (decided.make_job, decided.next_run, decided.look_again) == (False, None, None)


def test_a_schedule_that_does_not_recur_and_missed_its_window_is_complete() -> None:
    assert plan(Timing(START, window=MINUTE), START + MINUTE, last=None, busy=False).complete


@pytest.mark.parametrize(("minutes", "made"), [(0, False), (59, False), (60, True), (61, True)])
def test_the_next_job_is_made_an_interval_later(minutes: int, made: bool) -> None:
    assert plan(HOURLY, START + minutes * MINUTE, last=START, busy=False).make_job is made


def test_a_job_that_is_still_active_holds_up_the_next() -> None:
    decided = plan(HOURLY, START + 65 * MINUTE, last=START, busy=True)
    assert (decided.make_job, decided.next_run) == (False, START + HOUR)
    assert plan(HOURLY, START + 65 * MINUTE, last=START, busy=False).make_job


@pytest.mark.parametrize(("minutes", "made"), [(60, True), (69, True), (70, False), (119, False), (120, True)])
def test_an_occurrence_is_lost_after_its_window(minutes: int, made: bool) -> None:
    timing = Timing(START, window=10 * MINUTE, interval=HOUR)
    assert plan(timing, START + minutes * MINUTE, last=START, busy=False).make_job is made


def test_a_window_longer_than_the_interval_carries_nothing_over() -> None:
    timing = Timing(START, window=10 * HOUR, interval=HOUR)
    late = START + 3 * HOUR + 30 * MINUTE
    assert plan(timing, late, last=START, busy=False).make_job
    assert plan(timing, late + MINUTE, last=late, busy=False).next_run == START + 4 * HOUR


def test_runs_missed_while_the_service_was_down_are_not_made_up_for() -> None:
    now = START + 100 * HOUR + MINUTE
    assert plan(HOURLY, now, last=START, busy=False).make_job
    assert not plan(HOURLY, now + MINUTE, last=now, busy=False).make_job


def test_a_late_job_does_not_move_those_that_follow() -> None:
    assert plan(HOURLY, START + 100 * MINUTE, last=START + 90 * MINUTE, busy=False).next_run == START + 2 * HOUR


def test_a_disabled_schedule_tells_its_next_run_and_makes_no_job() -> None:
    decided = plan(HOURLY, START + 61 * MINUTE, last=START, busy=False, enabled=False)
    assert (decided.make_job, decided.complete, decided.next_run) == (False, False, START + HOUR)


def test_the_end_completes_a_schedule_once_no_job_is_active() -> None:
    timing = Timing(START, end=START + 90 * MINUTE, interval=HOUR)
    assert plan(timing, START + 89 * MINUTE, last=START + HOUR, busy=False).next_run is None
    assert plan(timing, START + 89 * MINUTE, last=START + HOUR, busy=False).look_again == START + 90 * MINUTE
    assert not plan(timing, START + 90 * MINUTE, last=START + HOUR, busy=True).complete
    assert plan(timing, START + 90 * MINUTE, last=START + HOUR, busy=False).complete


def test_a_schedule_whose_end_is_past_makes_no_job() -> None:
    decided = plan(Timing(START, end=START - HOUR), START, last=None, busy=False)
    assert (decided.make_job, decided.complete) == (False, True)


def test_occurrences_end_with_the_calendar() -> None:
    timing = Timing(START, window=timedelta(days=10**6), interval=timedelta(days=365 * 8000))
    decided = plan(timing, START + MINUTE, last=START, busy=False)
    assert (decided.make_job, decided.next_run) == (False, None)


@dataclass(frozen=True)
class Made:
    """A job: when it was made, and when it ended."""

    began: datetime
    ended: datetime


minutes = st.integers(1, 300).map(lambda number: number * MINUTE)
timings = st.builds(
    lambda end, window, interval: Timing(START, None if end is None else START + end, window, interval),
    st.none() | minutes,
    st.none() | minutes,
    st.none() | minutes,
)
# What goes by between two looks at the schedule: little, or much, as when the service was down.
pauses = st.lists(st.integers(1, 4000).map(lambda seconds: timedelta(seconds=seconds)), min_size=1, max_size=60)
durations = st.lists(minutes, min_size=1, max_size=10)


def live(timing: Timing, steps: list[timedelta], lengths: list[timedelta]) -> tuple[list[Made], datetime | None]:
    """Lets a schedule live, and returns its jobs and when it was complete."""
    now, jobs = START - 10 * MINUTE, list[Made]()
    for step in steps:
        busy = bool(jobs) and jobs[-1].ended > now
        decided = plan(timing, now, last=jobs[-1].began if jobs else None, busy=busy)
        if decided.complete:
            assert not decided.make_job
            return jobs, now
        if decided.make_job:
            jobs.append(Made(now, now + lengths[len(jobs) % len(lengths)]))
        now += step
    return jobs, None


@given(timings, pauses, durations)
def test_never_two_active_jobs_and_none_outside_its_window(
    timing: Timing, steps: list[timedelta], lengths: list[timedelta]
) -> None:
    jobs, _ = live(timing, steps, lengths)
    for former, later in pairwise(jobs):
        assert former.ended <= later.began
    occurrences = []
    for job in jobs:
        assert job.began >= timing.begin
        assert timing.end is None or job.began < timing.end
        number = 0 if timing.interval is None else (job.began - timing.begin) // timing.interval
        occurrence = timing.begin + number * (timing.interval or timedelta(0))
        assert timing.window is None or job.began < occurrence + timing.window
        occurrences.append(number)
    assert len(set(occurrences)) == len(occurrences), "two jobs for one occurrence"


@given(timings, pauses, durations)
def test_what_is_complete_stays_complete(timing: Timing, steps: list[timedelta], lengths: list[timedelta]) -> None:
    jobs, complete = live(timing, steps, lengths)
    if complete is not None:
        last = jobs[-1].began if jobs else None
        for step in steps:
            later = plan(timing, complete + step, last=last, busy=False)
            assert (later.complete, later.make_job) == (True, False)


@given(timings, st.none() | minutes, st.integers(-600, 40_000), st.booleans())
def test_nothing_changes_before_the_moment_to_look_again(
    timing: Timing, last: timedelta | None, seconds: int, busy: bool
) -> None:
    now = START + timedelta(seconds=seconds)
    made = None if last is None or START + last > now else START + last
    decided = plan(timing, now, last=made, busy=busy)
    if decided.make_job or decided.complete:
        return
    until = decided.look_again or now + timedelta(days=400)
    assert until > now
    just_before = plan(timing, until - timedelta(microseconds=1), last=made, busy=busy)
    assert (just_before.make_job, just_before.complete) == (False, False)
