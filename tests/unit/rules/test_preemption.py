"""Which running tasks make room for others."""

from localbatch.rules.preemption import CrowdedNode, Yielding, choose
from localbatch.rules.scheduler import Waiting


def node(*yielding: Yielding, slots: int = 4, free: int = 0, staying: int = 0, dedicated: bool = True) -> CrowdedNode:
    return CrowdedNode(slots, free, staying, yielding, dedicated)


def task(slots: int = 1, *, exclusive: bool = False, dedicated_only: bool = False, instances: int = 0) -> Waiting:
    return Waiting("job", "task", slots, exclusive=exclusive, dedicated_only=dedicated_only, instances=instances)


def test_one_goes_for_one_that_comes() -> None:
    assert choose([node(Yielding(1, 1, 0), Yielding(2, 1, 0))], [task()]) == [2]


def test_the_least_important_goes_first_and_of_these_the_newest() -> None:
    running = (Yielding(1, 1, 5), Yielding(2, 1, -3), Yielding(3, 1, -3), Yielding(4, 1, 0))
    assert choose([node(*running)], [task(), task(), task(), task()]) == [3, 2, 4, 1]


def test_nobody_goes_where_there_is_or_will_be_room() -> None:
    assert choose([node(Yielding(1, 1, 0), free=1)], [task()]) == []
    assert choose([node(Yielding(1, 1, 0), free=1)], [task(), task()]) == [1]


def test_as_few_go_as_it_takes() -> None:
    small = node(*(Yielding(key, 1, 0) for key in range(4)))
    large = node(Yielding(9, 4, 0))
    assert choose([small, large], [task(slots=4)]) == [9]


def test_nobody_goes_for_one_that_would_not_fit_even_so() -> None:
    assert choose([node(Yielding(1, 1, 0), staying=1)], [task(slots=2)]) == []
    assert choose([node()], [task()]) == []
    assert choose([], [task()]) == []
    assert choose([node(Yielding(1, 1, 0))], [task(slots=5, exclusive=True)]) == []


def test_a_whole_node_is_made_free_only_where_all_go() -> None:
    shared = node(Yielding(1, 1, 0), staying=1)
    own = node(Yielding(2, 1, 0), Yielding(3, 1, 0))
    assert choose([shared, own], [task(exclusive=True)]) == [3, 2]
    assert choose([shared], [task(exclusive=True)]) == []
    assert choose([own], [task(exclusive=True), task()]) == [3, 2]


def test_spot_nodes_are_of_no_use_to_some() -> None:
    assert choose([node(Yielding(1, 1, 0), dedicated=False)], [task(dedicated_only=True)]) == []


def test_nobody_goes_for_tasks_that_take_several_nodes() -> None:
    assert choose([node(Yielding(1, 1, 0))], [task(instances=2)]) == []
