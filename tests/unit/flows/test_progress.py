"""How far a run is, in words."""

import pytest

from prefect_azure_batch.flows.progress import Pace, describe
from prefect_azure_batch.tasks.records import Counts

NODES = "nodes: 1 of 4 are there (1 starting)"


@pytest.mark.parametrize(
    ("counts", "left", "text"),
    [
        (Counts(), None, f"0 of 10 tasks have ended, 0 run, 10 wait for {NODES}"),
        (Counts(4, 2, 3, 1), 200.0, "4 of 10 tasks have ended (1 failed), 2 run, 4 wait; about 3 min 20 s left"),
        (Counts(0, 0, 10, 0), 0.0, "10 of 10 tasks have ended, 0 run, 0 wait"),
    ],
)
def test_a_run_is_told_in_a_line(counts: Counts, left: float | None, text: str) -> None:
    assert describe(counts, 10, left, NODES) == text


def test_the_rest_takes_as_long_as_what_has_ended_since_one_looks() -> None:
    pace = Pace(100)
    assert pace.left(1000.0, 20) is None
    assert pace.left(1010.0, 20) is None
    assert pace.left(1010.0, 40) == 30.0
    assert pace.left(1060.0, 100) == 0.0
