"""The tables of states: well-formed, with the moves a resource makes and without the others."""

import pytest

from localbatch.rules import states
from localbatch.rules.states import IllegalMoveError, StateTable, move, refusal
from localbatch.wire.errors import ERRORS

TABLES = [
    states.POOL,
    states.ALLOCATION,
    states.NODE,
    states.JOB,
    states.JOB_SCHEDULE,
    states.TASK,
    states.SUBTASK,
    states.NODE_COMMAND,
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_move_leads_to_a_state_of_the_table(table: StateTable) -> None:
    assert frozenset().union(*table.moves.values()) <= set(table.states)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_state_can_be_reached_from_the_first(table: StateTable) -> None:
    reached, fresh = set[str](), frozenset({table.initial})
    while fresh:
        reached |= fresh
        fresh = frozenset().union(*(table.moves[state] for state in fresh)) - reached
    assert reached == set(table.states)


@pytest.mark.parametrize(
    ("table", "life"),
    [
        (states.POOL, "active deleting"),
        (states.ALLOCATION, "steady resizing stopping steady resizing steady"),
        (states.NODE, "creating starting waitingforstarttask idle running idle offline idle leavingpool"),
        (states.NODE, "creating starting idle running rebooting starting idle preempted leavingpool"),
        (states.NODE, "creating starting starttaskfailed reimaging starting running unknown starting"),
        (states.NODE, "creating starting idle deallocating deallocated starting"),
        (states.JOB, "active disabling disabled enabling active terminating completed deleting"),
        (states.JOB, "active deleting"),
        (states.JOB_SCHEDULE, "active disabled active terminating completed deleting"),
        (states.JOB_SCHEDULE, "active completed deleting"),
        (states.JOB_SCHEDULE, "disabled completed deleting"),
        (states.JOB_SCHEDULE, "disabled terminating deleting"),
        (states.TASK, "active preparing running active running completed active completed"),
        (states.SUBTASK, "preparing running completed"),
        (states.NODE_COMMAND, "running completed running completed"),
    ],
)
def test_a_usual_life_is_legal(table: StateTable, life: str) -> None:
    state, *following = life.split()
    for next_state in following:
        state = move(table, state, next_state)
    assert state == life.split()[-1]


@pytest.mark.parametrize(
    ("table", "from_", "to"),
    [
        (states.POOL, "deleting", "active"),
        (states.ALLOCATION, "steady", "stopping"),
        (states.ALLOCATION, "stopping", "resizing"),
        (states.NODE, "creating", "idle"),
        (states.NODE, "starttaskfailed", "running"),
        (states.NODE, "leavingpool", "idle"),
        (states.JOB, "completed", "active"),
        (states.JOB, "active", "completed"),
        (states.JOB, "terminating", "active"),
        (states.JOB_SCHEDULE, "completed", "active"),
        (states.JOB_SCHEDULE, "terminating", "disabled"),
        (states.JOB_SCHEDULE, "deleting", "completed"),
        (states.TASK, "completed", "running"),
        (states.TASK, "running", "preparing"),
        (states.TASK, "running", "running"),
    ],
)
def test_an_illegal_move_is_refused_by_name(table: StateTable, from_: str, to: str) -> None:
    with pytest.raises(IllegalMoveError, match=f"a {table.name} can't move from '{from_}' to '{to}'"):
        move(table, from_, to)


@pytest.mark.parametrize(("from_", "to"), [("done", "active"), ("active", "done")])
def test_a_state_which_is_none_is_refused_by_name(from_: str, to: str) -> None:
    with pytest.raises(IllegalMoveError, match="'done' is not a state of a task"):
        move(states.TASK, from_, to)


def test_only_states_with_no_way_on_are_final() -> None:
    final = {table.name: [state for state in table.states if table.is_final(state)] for table in TABLES}
    assert final == {
        "pool": ["deleting"],
        "pool's allocation": [],
        "node": ["leavingpool"],
        "job": ["deleting"],
        "job schedule": ["deleting"],
        "task": [],
        "subtask": ["completed"],
        "start, preparation or release task": [],
    }


def test_every_refusal_is_a_conflict_of_the_error_table_on_a_known_state() -> None:
    tables = {
        "pool": states.POOL,
        "allocation": states.ALLOCATION,
        "autoscale": states.AUTO_SCALE,
        "node": states.NODE,
        "job": states.JOB,
        "jobschedule": states.JOB_SCHEDULE,
        "task": states.TASK,
    }
    for (kind, _operation), refusals in states.REFUSALS.items():
        assert set(refusals) <= set(tables[kind].states)
        assert {ERRORS[code][0] for code in refusals.values()} <= {409}


@pytest.mark.parametrize(
    ("kind", "operation", "state", "code"),
    [
        ("pool", "update", "deleting", "PoolBeingDeleted"),
        ("pool", "update", "active", None),
        ("allocation", "resize", "resizing", "PoolBeingResized"),
        ("allocation", "resize", "steady", None),
        ("allocation", "stopresize", "resizing", None),
        ("node", "reboot", "creating", "NodeBeingCreated"),
        ("node", "reboot", "unusable", "NodeStateUnusable"),
        ("node", "reboot", "offline", "OperationInvalidForCurrentState"),
        ("node", "reboot", "running", None),
        ("node", "start", "deallocated", None),
        ("node", "start", "idle", "OperationInvalidForCurrentState"),
        ("job", "addtasks", "completed", "JobCompleted"),
        ("job", "addtasks", "disabled", None),
        ("job", "disable", "disabled", None),
        ("job", "disable", "disabling", None),
        ("job", "enable", "disabled", None),
        ("job", "terminate", "terminating", "JobBeingTerminated"),
        ("job", "terminate", "disabled", None),
        ("job", "delete", "completed", None),
        ("job", "delete", "deleting", "JobBeingDeleted"),
        ("jobschedule", "update", "active", None),
        ("jobschedule", "update", "disabled", None),
        *(
            ("jobschedule", operation, state, code)
            for operation in ("update", "disable", "enable", "terminate")
            for state, code in [
                ("terminating", "JobScheduleBeingTerminated"),
                ("completed", "JobScheduleCompleted"),
                ("deleting", "JobScheduleBeingDeleted"),
            ]
        ),
        ("jobschedule", "disable", "active", None),
        ("jobschedule", "disable", "disabled", "JobScheduleDisabled"),
        ("jobschedule", "enable", "disabled", None),
        ("jobschedule", "enable", "active", "OperationInvalidForCurrentState"),
        ("jobschedule", "terminate", "disabled", None),
        ("jobschedule", "delete", "terminating", None),
        ("jobschedule", "delete", "completed", None),
        ("jobschedule", "delete", "deleting", "JobScheduleBeingDeleted"),
        ("task", "terminate", "completed", "TaskCompleted"),
        ("task", "terminate", "active", None),
        ("task", "reactivate", "running", "TaskNotCompleted"),
        ("task", "reactivate", "completed", None),
    ],
)
def test_an_operation_is_refused_by_the_state_it_meets(kind: str, operation: str, state: str, code: str | None) -> None:
    assert refusal(kind, operation, state) == code


def test_a_job_takes_tasks_until_it_ends_and_starts_them_while_active() -> None:
    assert [state for state in states.JOB.states if states.accepts_tasks(state)] == [
        "active",
        "disabling",
        "disabled",
        "enabling",
    ]
    assert [state for state in states.JOB.states if states.starts_tasks(state)] == ["active"]
