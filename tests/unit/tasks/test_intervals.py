"""Growing pauses."""

from prefect_azure_batch.tasks.intervals import growing_pauses


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
