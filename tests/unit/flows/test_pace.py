"""How fast tasks end."""

import pytest

from prefect_azure_batch.flows.pace import Pace, rate_in_words


def test_nobody_can_tell_before_a_task_has_ended_while_one_looked() -> None:
    pace = Pace()
    assert pace.rate(1000.0, 0) is None
    pace.note(1000.0, 20)
    assert pace.rate(1010.0, 20) is None
    assert pace.rate(1010.0, 40) == 2.0


def test_what_was_long_ago_does_not_count() -> None:
    pace = Pace()
    for second in range(2000):  # 1 task a second, and 10 for the last 1,000 seconds
        pace.note(float(second), min(second, 1000) + 10 * max(0, second - 1000))
    rate = pace.rate(2000.0, 11_000)
    assert rate == pytest.approx(10.0, rel=0.02)


def test_tasks_that_take_long_and_end_together_do_not_make_it_stand_still() -> None:
    pace = Pace()
    for second in range(0, 7200, 15):  # 8 tasks each 20 minutes
        pace.note(float(second), 8 * (second // 1200))
    assert pace.rate(7190.0, 40) == pytest.approx(8 / 1200, rel=0.35)


def test_what_is_kept_of_a_long_run_is_little() -> None:
    pace = Pace()
    for second in range(100_000):
        pace.note(float(second), second)
    assert len(pace._samples) < 500
    assert pace.rate(100_000.0, 100_000) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rate", "words"),
    [(1234.0, "1,234 tasks/s"), (2.44, "2.4 tasks/s"), (0.4, "24 tasks/min"), (0.001, "3.6 tasks/h")],
)  # fmt: skip
def test_a_rate_is_told_in_the_unit_that_fits(rate: float, words: str) -> None:
    assert rate_in_words(rate) == words
