"""What a simulation may be, and that chance keeps to what is asked for."""

import re
from collections import Counter
from statistics import fmean, median
from typing import Any

import pytest

from localbatch.rules.simulation import Distribution, Simulation

MANY = [f"task-{number}" for number in range(4000)]


def seconds(**keys: Any) -> list[float]:
    simulation = Simulation.read({"seed": 1, **keys})
    return [simulation.seconds_of(task) for task in MANY]


def test_without_keys_tasks_succeed_at_once_and_leave_their_logs() -> None:
    simulation = Simulation.read({})
    fate = simulation.fate_of("task", "true")
    assert (simulation.seconds_of("task"), fate.exit_code) == (0, 0)
    assert simulation.files_of(fate) == {"../stdout.txt": "simulated\n", "../stderr.txt": ""}


def test_durations_are_distributed_as_asked_for() -> None:
    assert set(seconds(duration=3)) == {3}
    even = seconds(duration={"uniform": [10, 20]})
    assert min(even) >= 10
    assert max(even) <= 20
    assert fmean(even) == pytest.approx(15, rel=0.02)
    assert fmean(seconds(duration={"exponential": 60})) == pytest.approx(60, rel=0.05)
    skew = seconds(duration={"lognormal": [60, 0.5]})
    assert median(skew) == pytest.approx(60, rel=0.05)
    assert fmean(skew) == pytest.approx(60 * 1.1331, rel=0.05)


def test_no_chance_is_beyond_the_numbers() -> None:
    for kind in ({"uniform": [1, 2]}, {"exponential": 5}, {"lognormal": [5, 1]}):
        distribution = Simulation.read({"duration": kind}).duration
        assert all(0 <= distribution.at(share) < 1e6 for share in (0.0, 2**-53, 0.5, 1 - 2**-53))


def test_a_seed_has_each_task_meet_the_same_lot_whatever_the_order() -> None:
    keys = {"duration": {"exponential": 5}, "outcomes": [{"share": 0.5, "exit_code": 1}]}
    first, again, other = (Simulation.read({"seed": seed, **keys}) for seed in (1, 1, 2))

    def lots(simulation: Simulation, tasks: list[str]) -> dict[str, tuple[float, int]]:
        return {task: (simulation.seconds_of(task), simulation.fate_of(task, "").exit_code) for task in tasks}

    assert lots(first, MANY) == lots(again, MANY[::-1])
    assert lots(first, MANY) != lots(other, MANY)
    by_chance = Simulation.read(keys)
    assert lots(by_chance, MANY) != lots(by_chance, MANY)


def test_the_first_outcome_that_fits_counts() -> None:
    rules = [
        {"task": "*-7", "exit_code": 7, "stderr": "seven"},
        {"command": "*--broken*", "exit_code": 2},
        {"share": 0.25, "exit_code": 1},
    ]
    simulation = Simulation.read({"seed": 1, "outcomes": rules})
    seven = simulation.fate_of("task-7", "run --broken")
    assert (seven.exit_code, simulation.files_of(seven)["../stderr.txt"]) == (7, "seven")
    assert simulation.fate_of("task-8", "run --broken").exit_code == 2
    codes = Counter(simulation.fate_of(task, "run").exit_code for task in MANY)
    assert codes[1] / len(MANY) == pytest.approx(0.25, abs=0.02)
    assert codes[0] == len(MANY) - codes[1] - 1


def test_what_a_task_leaves_can_be_chosen() -> None:
    simulation = Simulation.read({"stdout": "done\n", "stderr": None, "outputs": {"out/result.csv": "1,2\n"}})
    left = simulation.files_of(simulation.fate_of("task", ""))
    assert left == {"../stdout.txt": "done\n", "out/result.csv": "1,2\n"}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "it holds no keys, such as duration: 10"),
        ({"durations": 3}, "'durations' is no key here: did you mean duration?"),
        ({"xyz": 3}, "'xyz' is no key here: there are seed, speed,"),
        ({"speed": 0.5}, "speed: 0.5: Input should be greater than or equal to 1"),
        ({"speed": "fast"}, "speed: 'fast': Input should be a valid number"),
        ({"seed": 1.5}, "seed: 1.5: Input should be a valid integer"),
        ({"duration": {"normal": 3}}, "duration: {'normal': 3} is none of seconds, {uniform: [FROM, TO]},"),
        ({"duration": {"uniform": 3}}, "duration: {'uniform': 3} is none of seconds"),
        ({"duration": {}}, "duration: {} is none of seconds"),
        ({"duration": True}, "duration: True is none of seconds"),
        ({"duration": float("nan")}, "duration: nan is not possible"),
        ({"duration": {"lognormal": [float("inf"), 1]}}, "duration: {'lognormal': [inf, 1]} is not possible"),
        ({"start": {"uniform": [3, 1]}}, "start: {'uniform': [3, 1]} is not possible"),
        ({"outcomes": [{"exit_kode": 3}]}, "outcomes[0]: 'exit_kode' is no key here: did you mean exit_code?"),
        ({"outcomes": [{}, {"share": 2}]}, "outcomes[1].share: 2: Input should be less than or equal to 1"),
        ({"outcomes": {"exit_code": 1}}, "outcomes: {'exit_code': 1}: Input should be a valid "),
        ({"outputs": {"../x": "a"}}, "'../x' is no name of a file below the working directory"),
        ({"outputs": {"a.csv": 3}}, "outputs.a.csv: 3: Input should be a valid string"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_that_names_its_place(content: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)) as told:
        Simulation.read(content)
    assert "\n" not in str(told.value)


def test_a_distribution_of_no_time_is_what_there_is_without_one() -> None:
    assert Distribution().at(0.7) == 0
