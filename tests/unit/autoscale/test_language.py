"""The language of autoscale formulas: types, operators, functions, variables, and what the outcome looks like."""

import math
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import localbatch.autoscale.formula
from localbatch.autoscale.errors import EvaluationError
from localbatch.autoscale.formula import Outcome, PoolSizes, compile_formula, evaluate
from localbatch.autoscale.results import write_results, write_value
from localbatch.autoscale.values import Plain

# A Tuesday.
NOW = datetime(2025, 11, 25, 9, 30, 15, 250_000, tzinfo=UTC)
HEAD = "$TargetDedicatedNodes=0;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"


def value_of(expression: str) -> str:
    return write_value(evaluate(f"x = {expression}", now=NOW).variables["x"])


def failure_of(formula: str) -> str:
    error = compile_formula(formula).evaluate(now=NOW).error
    assert error is not None
    return str(error)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("10 - 4 - 3", "3"),
        ("24 / 4 / 2", "3"),
        ("7 / 2", "3.5"),
        ("-2 - -3", "1"),
        ("--2", "2"),
        ("!0 + !5", "1"),
        (".5 + 1.25e1", "13"),
        ("1 / 0", "Infinity"),
        ("-1 / 0", "-Infinity"),
        ("0 / 0", "NaN"),
        ("1e300 * 1e300", "Infinity"),
        ("1 < 2 == 1", "1"),
        ("2 <= 2 && 3 >= 4", "0"),
        ("1 || 0 && 0", "1"),
        ("5 && 3", "1"),
        ("1 != 1 || 2 > 1", "1"),
        ("0 ? 1 : 0 ? 2 : 3", "3"),
        ("1 ? 2 : 3 + 4", "2"),
        ("1 + 1 ? 2 : 3", "2"),
        ('"abc" < "abd"', "1"),
        ("'a' == \"a\"", "1"),
        ("requeue != terminate", "1"),
        ("[1, 2, 3] * 2", "[2,4,6]"),
        ("[1, 2] - [3, 5]", "[-2,-3]"),
        ("[4, 6] / [2, 0]", "[2,Infinity]"),
        ("[]", "[]"),
        ("[1, [2, 3]]", "[1,2,3]"),
    ],
)
def test_operators_of_numbers_vectors_and_strings(expression: str, value: str) -> None:
    assert value_of(expression) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 * TimeInterval_Minute", "00:02:00"),
        ("TimeInterval_Hour * 1.5", "01:30:00"),
        ("TimeInterval_Week / 7 == TimeInterval_Day", "1"),
        ("TimeInterval_Year - TimeInterval_Day * 365", "00:00:00"),
        ("-TimeInterval_Day - TimeInterval_Second", "-1.00:00:01"),
        ("TimeInterval_Millisecond + TimeInterval_Microsecond + TimeInterval_100ns", "00:00:00.0010011"),
        ("TimeInterval_Zero < TimeInterval_100ns", "1"),
        ("time()", "2025-11-25T09:30:15.250Z"),
        ('time("")', "2025-11-25T09:30:15.250Z"),
        ("time() + TimeInterval_Day", "2025-11-26T09:30:15.250Z"),
        ("TimeInterval_Hour + time()", "2025-11-25T10:30:15.250Z"),
        ('time() - time("2025-11-25")', "09:30:15.2500000"),
        ('time("2025-11-25") < time()', "1"),
        ('time("2016")', "2016-01-01T00:00:00.000Z"),
        ('time("2016-10-13T19:18Z")', "2016-10-13T19:18:00.000Z"),
        ('time("2016-10-13T19:18:47.805+02:00")', "2016-10-13T17:18:47.805Z"),
        ('time("Thu, 13 Oct 2016 19:18:47 GMT")', "2016-10-13T19:18:47.000Z"),
        ("time().year * 10000 + time().month * 100 + time().day", "20251125"),
        ("time().hour * 10000 + time().minute * 100 + time().second", "93015"),
        ("time().weekday", "2"),
        ('time("2025-11-24").weekday', "1"),
        ('time("2025-11-30").weekday', "7"),
        ("(time() + TimeInterval_Hour * -10).weekday", "1"),
    ],
)
def test_timestamps_and_time_intervals(expression: str, value: str) -> None:
    assert value_of(expression) == value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("avg(1, 2, 6)", "3"),
        ("avg([1, 2, 3], 7) == avg(1, 2, 3, 7)", "1"),
        ("len([1, 2], 3)", "3"),
        ("len()", "0"),
        ("lg(8)", "3"),
        ("lg([8], 2)", "[3,1]"),
        ("ln(1)", "0"),
        ("log([100])", "[2]"),
        ("log(vec(1000))", "[3]"),
        ("log(0)", "-Infinity"),
        ("ln(-1)", "NaN"),
        ("max(3, [1, 9], 4)", "9"),
        ("min([3, 1], 2)", "1"),
        ("norm(3, 4)", "5"),
        ("percentile([1, 2, 3, 4], 50)", "2"),
        ("percentile([4, 1, 3, 2], 100)", "4"),
        ("percentile([4, 1, 3, 2], 0)", "1"),
        ("range(4, 1, 9)", "8"),
        ("std(2, 4, 4, 4, 5, 5, 7, 9)", "2.1380899352994"),
        ("std(5)", "0"),
        ("sum([1, 2], 3)", "6"),
        ("sum()", "0"),
        ("val([7, 8, 9], 2)", "9"),
        ("val([7, 8, 9], 1.9)", "8"),
        ("ceil(1.2)", "2"),
        ("floor(-1.2)", "-2"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(0.49999999999999994)", "0"),
        ("round(4503599627370497) == 4503599627370497", "1"),
        ("round([0.4, 1.5])", "[0,2]"),
        ("floor(1 / 0)", "Infinity"),
    ],
)
def test_functions(expression: str, value: str) -> None:
    assert value_of(expression) == value


def test_rand_gives_what_it_is_given_and_lies_between_0_and_1() -> None:
    assert evaluate("x = rand()", rand=lambda: 0.25).variables["x"] == 0.25
    assert evaluate("x = rand(); y = 0 <= x && x <= 1").variables["y"] == 1


def test_logarithms_of_tiny_numbers_are_exact_enough() -> None:
    value = evaluate("x = ln(1e-300)").variables["x"]
    assert isinstance(value, float)
    assert math.isclose(value, -690.7755278982137)


def test_only_the_branch_that_is_taken_is_evaluated() -> None:
    formula = "a = 1 ? 2 : avg(); b = 0 && nothing; c = 1 || nothing; d = len([]) < 70 ? 1 : val([], 0)"
    assert evaluate(formula).variables == {"a": 2, "b": 0, "c": 1, "d": 1}


def test_stop_ends_the_evaluation_and_keeps_what_was_set() -> None:
    outcome = evaluate("$TargetDedicatedNodes = 2; x = 1 ? stop() : 0; $TargetDedicatedNodes = 9")
    assert (outcome.dedicated, dict(outcome.variables)) == (2, {})


def test_comments_line_breaks_and_empty_statements_mean_nothing() -> None:
    formula = "// first\r\nx = 1 // one\n  + /* two\n lines */ 2;;\n;y=x;"
    assert evaluate(formula).variables == {"x": 3, "y": 3}


def test_own_variables_are_the_same_with_and_without_dollar() -> None:
    outcome = evaluate("$a = 1; b = a + 1; a = 5; c = $b")
    assert outcome.results == f"{HEAD};$a=5;b=2;c=2"


def test_names_are_told_apart_by_case_and_service_names_need_the_dollar() -> None:
    assert evaluate("TargetDedicatedNodes = 4; a = 1; A = 2").results == f"{HEAD};A=2;TargetDedicatedNodes=4;a=1"


def test_the_outcome_is_written_as_the_service_writes_it() -> None:
    formula = """
        $curTime = time();
        $workHours = $curTime.hour >= 8 && $curTime.hour < 18;
        $isWeekday = $curTime.weekday >= 1 && $curTime.weekday <= 5;
        $isWorkingWeekdayHour = $workHours && $isWeekday;
        $TargetDedicatedNodes = $isWorkingWeekdayHour ? 20:10;
        $vector = [1, 2.5];
    """
    outcome = evaluate(formula, now=NOW, pool=PoolSizes(target_low_priority=3))
    assert outcome.results == (
        "$TargetDedicatedNodes=20;$TargetLowPriorityNodes=3;$NodeDeallocationOption=requeue;"
        "$curTime=2025-11-25T09:30:15.250Z;$isWeekday=1;$isWorkingWeekdayHour=1;$vector=[1,2.5];$workHours=1"
    )


def test_results_do_not_grow_without_limit() -> None:
    outcome = evaluate("a = [1, 1, 1, 1, 1, 1, 1, 1];" + "a = vec(a, a);" * 14)
    assert len(outcome.results) == 32_768


def test_variables_that_results_have_no_room_for_are_not_written() -> None:
    written: list[str] = []

    class Watched(dict[str, Plain]):
        def __getitem__(self, name: str) -> Plain:
            written.append(name)
            return super().__getitem__(name)

    own = Watched({f"x{number:02}": (1.0,) * 10_000 for number in range(100)})
    assert len(write_results(1, 0, "requeue", own, frozenset())) == 32_768
    assert written == ["x00", "x01"]


@pytest.mark.parametrize(
    ("formula", "sizes"),
    [
        ("$TargetDedicatedNodes = 3", (3, 1)),
        ("$TargetLowPriorityNodes = 2.9", (5, 2)),
        ("$TargetDedicated = 4; $TargetLowPriority = 2", (4, 2)),
        ("$TargetDedicatedNodes = 3; $TargetDedicated = 4", (3, 1)),
        ("$TargetDedicated = 4; $TargetDedicatedNodes = $TargetDedicated + $TargetDedicatedNodes", (8, 1)),
        ("$TargetDedicatedNodes = $CurrentDedicatedNodes * $TaskSlotsPerNode", (8, 1)),
        ("x = $CurrentLowPriorityNodes; $TargetDedicatedNodes = x", (3, 1)),
        ("x = 1", (5, 1)),
        ("$TargetDedicatedNodes = -0.5", (0, 1)),
        ("$TargetDedicatedNodes = 10000.9", (10_000, 1)),
    ],
)
def test_targets_and_what_they_were_before(formula: str, sizes: tuple[int, int]) -> None:
    pool = PoolSizes(5, 1, current_dedicated=4, current_low_priority=3, task_slots_per_node=2)
    outcome = evaluate(formula, pool=pool)
    assert (outcome.dedicated, outcome.low_priority) == sizes


@pytest.mark.parametrize(
    ("formula", "option"),
    [
        ("x = 1", "requeue"),
        ("$NodeDeallocationOption = taskcompletion", "taskcompletion"),
        ("$NodeDeallocationOption = 1 ? retaineddata : terminate", "retaineddata"),
        ('$NodeDeallocationOption = "terminate"', "terminate"),
        ("x = terminate; $NodeDeallocationOption = x", "terminate"),
    ],
)
def test_the_deallocation_option(formula: str, option: str) -> None:
    outcome = evaluate(formula)
    assert outcome.deallocation == option
    assert f"$NodeDeallocationOption={option}" in outcome.results


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("something_useless", "Line 1, Col 1: expected a variable that has a value, found 'something_useless'"),
        ("x = 1;\n y = x +\n  'a'", "Line 2, Col 8: expected double + double, "),
        ("x = 'a' + 1", "found string + double"),
        ("x = 2 * [1]", "found double * doubleVec"),
        ("x = time() - TimeInterval_Day", "found timestamp - timeinterval"),
        ("x = TimeInterval_Day * TimeInterval_Day", "found timeinterval * timeinterval"),
        ("x = [1] < 2", "found doubleVec < double"),
        ("x = [1, 2] + [1]", "Line 1, Col 12: expected doubleVecs of the same length, found 2 and 1 values"),
        ("x = -'a'", "Line 1, Col 5: expected a double or timeinterval behind '-', found a string"),
        ("x = !time()", "expected a double behind '!', found a timestamp"),
        ("x = 'a' ? 1 : 2", "Line 1, Col 9: expected a double as condition, found a string"),
        ("x = 1 && [1]", "expected a double as condition, found a doubleVec"),
        ("x = [1].year", "Line 1, Col 9: expected a timestamp, which has year, month"),
        ("x = [1].Count()", "expected a sample variable such as $PendingTasks, found a doubleVec"),
        ("x = avg()", "Line 1, Col 5: expected a list of doubles and doubleVecs with at least one value"),
        ("x = sum('a')", "expected doubles and doubleVecs, found a string"),
        ("x = val([1], 1)", "expected an index below the 1 values of the doubleVec, found 1"),
        ("x = percentile([1], 101)", "a percentage from 0 to 100"),
        ("x = percentile(1, 2)", "expected (doubleVec, double), found (double, double)"),
        ("x = rand(1)", "expected (), found (double)"),
        ("x = time('soon')", "expected a time in W3C-DTF or RFC 1123, found 'soon'"),
        ("x = time('2025-02-30')", "Line 1, Col 5: day is out of range for month"),
        ("x = time('2023-04-14T10:00:00.123456789Z')", "expected a time in W3C-DTF or RFC 1123"),
        ("x = TimeInterval_Year * 1e9", "the time interval is too long"),
        ("x = TimeInterval_Year / 0", "the time interval is too long"),
        ("x = time() + TimeInterval_Year * 9999", "the timestamp lies outside the years 1 to 9999"),
        ("$TargetDedicatedNodes = [1]", "expected a double for $TargetDedicatedNodes, found a doubleVec"),
        (
            "\n$TargetDedicated = -1",
            "Line 2, Col 1: expected $TargetDedicatedNodes to lie between 0 and 10000, found -1",
        ),
        ("$TargetLowPriorityNodes = 1/0", "found Infinity"),
        ("$TargetDedicatedNodes = 0/0", "found NaN"),
        ("$NodeDeallocationOption = 'keep'", "requeue, terminate, taskcompletion, retaineddata; found 'keep'"),
        ("$NodeDeallocationOption = 1", "found a double"),
    ],
)
def test_what_fails_says_where_and_what_was_expected(formula: str, message: str) -> None:
    assert message in failure_of(formula)


def test_a_failed_evaluation_shows_the_sizes_the_pool_keeps() -> None:
    outcome: Outcome = compile_formula("x = 1; $TargetDedicatedNodes = 7; $something_useless").evaluate(
        pool=PoolSizes(target_dedicated=2)
    )
    assert outcome.results == "$TargetDedicatedNodes=2;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue;x=1"
    assert outcome.error is not None
    assert outcome.error.code == "AutoScalingFormulaEvaluationError"
    with pytest.raises(EvaluationError):
        evaluate("$something_useless")


def test_the_language_needs_nothing_else_of_the_service() -> None:
    package = Path(localbatch.autoscale.formula.__file__).parent
    imported = re.findall(r"^\s*(?:from|import) (localbatch\.\S+)", "\n".join(map(_text, package.glob("*.py"))), re.M)
    assert imported
    assert {name for name in imported if not name.startswith("localbatch.autoscale.")} == set()


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")
