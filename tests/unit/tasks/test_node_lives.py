"""What has become of nodes, from listings of them."""

from datetime import UTC, datetime, timedelta

from azure.batch import models

from prefect_azure_batch.tasks.node_lives import Absence, NodeLife, NodeLives

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def pool(state: str = "steady", changed: float = 0) -> models.BatchPool:
    given = {"id": "p", "creationTime": BEGIN.isoformat(), "allocationState": state}
    return models.BatchPool(given | {"allocationStateTransitionTime": at(changed).isoformat()})


def node(name: str, state: str, changed: float, allocated: float = 10, **more: object) -> models.BatchNode:
    given = {"id": name, "state": state, "stateTransitionTime": at(changed).isoformat(), "isDedicated": True}
    return models.BatchNode(given | {"allocationTime": at(allocated).isoformat()} | more)


def lives_of(*listings: tuple[float, models.BatchPool, list[models.BatchNode]]) -> dict[str, NodeLife]:
    lives = NodeLives()
    lives.begin("p", at(0), is_new=True)
    for moment, listed, nodes in listings:
        lives.note(listed, nodes, at(moment))
    return {life.node_id: life for life in lives.all()}


def test_a_node_is_ready_since_it_was_idle_without_having_run_anything() -> None:
    life = lives_of((20, pool("resizing"), [node("a", "starting", 15)]), (60, pool(), [node("a", "idle", 30)]))["a"]
    assert (life.asked, life.allocated, life.ready, life.seen) == (at(0), at(10), at(30), at(60))


def test_a_node_that_has_worked_was_ready_when_its_start_task_had_ended() -> None:
    info = {"state": "completed", "startTime": at(20).isoformat(), "endTime": at(40).isoformat(), "retryCount": 0}
    worked = node("a", "running", 50, startTaskInfo=info, totalTasksRun=2)
    life = lives_of((60, pool(), [worked]))["a"]
    assert (life.start_task, life.ready) == ((at(20), at(40)), at(40))


def test_without_a_start_task_only_its_first_task_tells_when_a_node_was_ready() -> None:
    life = lives_of((60, pool(), [node("a", "running", 50, lastBootTime=at(25).isoformat(), totalTasksRun=2)]))["a"]
    assert (life.ready, life.booted, life.has_served) == (None, at(25), True)


def test_a_spot_node_that_was_taken_away_and_has_come_back_was_absent() -> None:
    spot = {"isDedicated": False, "totalTasksRun": 1}
    back = node("a", "idle", 210, lastBootTime=at(200).isoformat(), **spot)
    life = lives_of(
        (60, pool(), [node("a", "running", 50, **spot)]),
        (120, pool(), [node("a", "preempted", 100, **spot)]),
        (240, pool(), [back]),
    )["a"]
    assert life.absences == (Absence(at(100), at(200)),)


def test_a_spot_node_that_is_gone_and_has_a_successor_was_taken_away() -> None:
    lives = lives_of(
        (20, pool(), [node("a", "running", 15, isDedicated=False)]),
        (60, pool(), [node("b", "idle", 50, allocated=40, isDedicated=False)]),
    )
    assert lives["a"].absences == (Absence(at(20), at(40)),)
    assert (lives["a"].seen, lives["b"].asked) == (at(40), None)


def test_a_node_that_its_pool_has_given_up_was_there_until_nobody_saw_it() -> None:
    two = [node("a", "idle", 15), node("b", "idle", 15)]
    lives = lives_of((20, pool(), two), (60, pool(), two[:1]), (90, pool(), two[:1]))
    assert (lives["a"].seen, lives["b"].seen, lives["b"].absences) == (at(90), at(60), ())


def test_nodes_of_a_pool_that_grows_were_asked_for_when_it_began_to() -> None:
    lives = lives_of(
        (20, pool(), [node("a", "idle", 15)]),
        (120, pool("resizing", 100), [node("a", "idle", 15)]),
        (160, pool(), [node("a", "idle", 15), node("b", "idle", 150, allocated=130)]),
    )
    assert (lives["a"].asked, lives["b"].asked) == (at(0), at(100))


def test_of_a_pool_that_was_taken_over_only_the_rest_of_its_life_counts() -> None:
    lives = NodeLives()
    lives.begin("p", at(100), is_new=False)
    lives.note(pool(), [node("a", "idle", 15)], at(120))
    assert [(life.allocated, life.asked) for life in lives.all()] == [(at(100), None)]


def test_nodes_are_listed_again_only_while_something_is_to_be_learned() -> None:
    lives = NodeLives()
    lives.begin("p", at(0), is_new=True)
    assert not lives.are_settled("p")
    lives.note(pool(), [node("a", "idle", 15), node("b", "starting", 15)], at(20))
    assert not lives.are_settled("p")
    lives.note(pool(), [node("a", "running", 15), node("b", "unusable", 25)], at(30))
    assert lives.are_settled("p")
