"""Tasks find nodes: never too many, never too late, and in the order asked for."""

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbatch.rules.scheduler import Assignment, Fill, FreeNode, Waiting, assign, rank

NODES = st.lists(
    st.builds(
        FreeNode,
        node_id=st.uuids().map(str),
        free_slots=st.integers(-1, 6),
        affinity_id=st.sampled_from(["", "here", "there"]),
        running_tasks=st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda node: node.node_id,
)
SHARES = st.fixed_dictionaries({job: st.none() | st.integers(-1, 5) for job in "abc"})
FILLS = st.sampled_from(["spread", "pack"])


@st.composite
def queues(draw: st.DrawFn) -> list[Waiting]:
    shares = draw(SHARES)
    jobs = draw(st.lists(st.sampled_from("abc"), max_size=30))
    return [
        Waiting(
            job_id=job,
            task_id=str(place),
            required_slots=draw(st.integers(0, 5)),
            parallel_left=shares[job],
            affinity_id=draw(st.sampled_from([None, "here", "nowhere"])),
        )
        for place, job in enumerate(jobs)
    ]


def tasks(count: int, required_slots: int = 1) -> list[Waiting]:
    return [Waiting("job", str(place), required_slots) for place in range(count)]


def where(assignments: list[Assignment]) -> list[str]:
    return [node_id for _, node_ids in assignments for node_id in node_ids]


def which(assignments: list[Assignment]) -> list[str]:
    return [task.task_id for task, _ in assignments]


def slots_by_node(assignments: list[Assignment]) -> Counter[str]:
    used = Counter[str]()
    for task, node_ids in assignments:
        for node_id in node_ids:
            used[node_id] += max(task.required_slots, 1)
    return used


@given(NODES, queues(), FILLS)
def test_a_node_is_never_overfilled(nodes: list[FreeNode], waiting: list[Waiting], fill: Fill) -> None:
    used = slots_by_node(assign(nodes, waiting, fill))
    assert used.keys() <= {node.node_id for node in nodes}
    assert all(used[node.node_id] <= max(node.free_slots, 0) for node in nodes)


@given(NODES, queues(), FILLS)
def test_a_task_is_put_on_one_node_and_in_its_turn(nodes: list[FreeNode], waiting: list[Waiting], fill: Fill) -> None:
    places = [int(task_id) for task_id in which(assign(nodes, waiting, fill))]
    assert places == sorted(set(places))


@given(NODES, queues(), FILLS)
def test_a_job_never_gets_more_than_its_share(nodes: list[FreeNode], waiting: list[Waiting], fill: Fill) -> None:
    counts = Counter(task.job_id for task, _ in assign(nodes, waiting, fill))
    shares = {task.job_id: task.parallel_left for task in waiting}
    for job_id, count in counts.items():
        share = shares[job_id]
        assert share is None or count <= share


@given(NODES, queues(), FILLS)
def test_no_task_is_left_that_would_still_fit(nodes: list[FreeNode], waiting: list[Waiting], fill: Fill) -> None:
    assignments = assign(nodes, waiting, fill)
    used = slots_by_node(assignments)
    widest = max((node.free_slots - used[node.node_id] for node in nodes), default=0)
    counts = Counter(task.job_id for task, _ in assignments)
    assigned = set(which(assignments))
    for task in waiting:
        has_share = task.parallel_left is None or counts[task.job_id] < task.parallel_left
        assert task.task_id in assigned or not has_share or max(task.required_slots, 1) > widest


def test_spread_goes_to_the_emptiest_node_first() -> None:
    nodes = [FreeNode("full", 1), FreeNode("empty", 4), FreeNode("half", 2)]
    assert where(assign(nodes, tasks(7))) == ["empty", "empty", "half", "empty", "full", "half", "empty"]


def test_spread_takes_equal_nodes_in_turn() -> None:
    nodes = [FreeNode("a", 2), FreeNode("b", 2), FreeNode("c", 2)]
    assert where(assign(nodes, tasks(6))) == ["a", "b", "c", "a", "b", "c"]


def test_pack_fills_the_fullest_node_first() -> None:
    nodes = [FreeNode("empty", 3), FreeNode("full", 1), FreeNode("half", 2)]
    assert where(assign(nodes, tasks(6), "pack")) == ["full", "half", "half", "empty", "empty", "empty"]


def test_pack_passes_over_a_node_with_too_little_room() -> None:
    nodes = [FreeNode("full", 1), FreeNode("empty", 4)]
    assert where(assign(nodes, tasks(1, required_slots=2), "pack")) == ["empty"]


def test_of_equally_free_nodes_the_one_with_fewer_tasks_comes_first() -> None:
    nodes = [FreeNode("busy", 2, running_tasks=2), FreeNode("quiet", 2, running_tasks=1)]
    assert where(assign(nodes, tasks(1))) == ["quiet"]


def test_a_large_task_does_not_hold_up_small_ones() -> None:
    waiting = [Waiting("job", "large", 3), *tasks(2)]
    assert which(assign([FreeNode("a", 2)], waiting)) == ["0", "1"]


def test_a_task_goes_to_the_node_it_prefers_while_that_has_room() -> None:
    nodes = [FreeNode("a", 4, "TVM:a"), FreeNode("b", 1, "TVM:b")]
    waiting = [Waiting("job", str(place), affinity_id="TVM:b") for place in range(2)]
    assert where(assign(nodes, waiting)) == ["b", "a"]


def test_a_job_at_its_limit_leaves_room_to_the_others() -> None:
    waiting = [Waiting("a", str(place), parallel_left=1) for place in range(5)] + [Waiting("b", "last")]
    assert which(assign([FreeNode("n", 8)], waiting)) == ["0", "last"]


def test_rank_puts_priority_before_the_order_of_jobs_and_keeps_the_order_of_tasks() -> None:
    waiting = [
        Waiting("late", "1", job_order=2),
        Waiting("early", "2", job_order=1),
        Waiting("urgent", "3", priority=5, job_order=3),
        Waiting("early", "0", job_order=1),
    ]
    assert [task.task_id for task in sorted(waiting, key=rank)] == ["3", "2", "0", "1"]


@pytest.mark.parametrize("nodes", [[], [FreeNode("full", 0)]])
def test_nothing_is_read_when_nothing_is_free(nodes: list[FreeNode]) -> None:
    def endless() -> Iterator[Waiting]:
        raise AssertionError("the queue was read")
        yield Waiting("job", "0")

    assert assign(nodes, endless()) == []


def test_no_more_is_read_than_the_nodes_can_take() -> None:
    def endless() -> Iterator[Waiting]:
        for place in range(4):
            yield Waiting("job", str(place))
        raise AssertionError("the queue was read further than needed")

    assert len(assign([FreeNode("a", 3), FreeNode("b", 1)], endless())) == 4


def together(task_id: str, instances: int) -> Waiting:
    return Waiting("job", task_id, instances=instances)


def idle(count: int) -> list[FreeNode]:
    return [FreeNode(f"n{number}", 1) for number in range(count)]


def test_a_task_that_takes_several_nodes_gets_different_ones() -> None:
    ((task, node_ids),) = assign(idle(4), [together("mpi", 3)])
    assert task.task_id == "mpi"
    assert len(set(node_ids)) == 3


def test_several_nodes_are_taken_together_or_not_at_all() -> None:
    assignments = assign(idle(2), [together("large", 3), together("small", 2)])
    assert [(task.task_id, len(node_ids)) for task, node_ids in assignments] == [("small", 2)]


@given(st.integers(0, 6), st.lists(st.integers(0, 4), max_size=6))
def test_nodes_taken_together_are_never_shared(nodes: int, sizes: list[int]) -> None:
    assignments = assign(idle(nodes), [together(str(place), size) for place, size in enumerate(sizes)])
    taken = where(assignments)
    assert len(set(taken)) == len(taken) <= nodes
    assert all(len(node_ids) == max(task.instances, 1) for task, node_ids in assignments)


def test_a_task_that_wants_a_node_for_itself_takes_one_where_nothing_runs() -> None:
    nodes = [FreeNode("busy", 3, running_tasks=1), FreeNode("idle", 2)]
    first, second = Waiting("job", "first", exclusive=True), Waiting("job", "second", required_slots=2)
    assert assign(nodes, [first, second]) == [(first, ("idle",)), (second, ("busy",))]


def test_a_task_that_wants_a_node_for_itself_shares_none() -> None:
    nodes = [FreeNode("n", 2)]
    first, second = Waiting("job", "first"), Waiting("job", "second", exclusive=True)
    assert assign(nodes, [first, second]) == [(first, ("n",))]
    assert assign(nodes, [second, first]) == [(second, ("n",))]


def test_a_task_that_stays_away_from_spot_nodes_waits_for_another() -> None:
    task = Waiting("job", "task", dedicated_only=True)
    assert assign([FreeNode("spot", 1, dedicated=False)], [task]) == []
    assert assign([FreeNode("spot", 4, dedicated=False), FreeNode("own", 1)], [task]) == [(task, ("own",))]
