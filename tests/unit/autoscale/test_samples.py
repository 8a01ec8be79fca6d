"""Samples, as formulas ask for them."""

from datetime import UTC, datetime, timedelta

import pytest

from localbatch.autoscale.errors import InsufficientSamplesError
from localbatch.autoscale.formula import compile_formula, evaluate
from localbatch.autoscale.results import write_value
from localbatch.autoscale.samples import Series

NOW = datetime(2025, 11, 25, 12, tzinfo=UTC)
TEN = {"$PendingTasks": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("GetSample(1)", "[10]"),
        ("GetSample(3)", "[8,9,10]"),
        ("GetSample(2.9)", "[9,10]"),
        ("GetSample(0)", "[]"),
        ("GetSample(100)", "[1,2,3,4,5,6,7,8,9,10]"),
        ("GetSample(TimeInterval_Minute)", "[9,10]"),
        ("GetSample(TimeInterval_Minute * 5)", "[1,2,3,4,5,6,7,8,9,10]"),
        ("GetSample(TimeInterval_Minute * 5, 100)", "[1,2,3,4,5,6,7,8,9,10]"),
        ("GetSample(TimeInterval_Minute * 10, 50)", "[1,2,3,4,5,6,7,8,9,10]"),
        ("GetSample(1 * TimeInterval_Minute, 3 * TimeInterval_Minute)", "[5,6,7,8]"),
        ("GetSample(3 * TimeInterval_Minute, 1 * TimeInterval_Minute, 100)", "[5,6,7,8]"),
        ("GetSample(time() + -1 * TimeInterval_Minute)", "[9,10]"),
        ('GetSample(time("2025-11-25T11:58Z"), time("2025-11-25T11:59Z"))', "[7,8]"),
        ("GetSample(time(), 90 * TimeInterval_Second, 100)", "[8,9,10]"),
        ("GetSample(TimeInterval_Zero)", "[]"),
        ("GetSamplePercent(TimeInterval_Minute * 5)", "100"),
        ("GetSamplePercent(TimeInterval_Minute * 10)", "50"),
        ("GetSamplePercent(TimeInterval_Minute * 5, TimeInterval_Minute * 10)", "0"),
        ("GetSamplePercent(TimeInterval_Second)", "100"),
        ("GetSamplePercent(TimeInterval_Year * 20000)", "4.75646879756469E-08"),
        ("GetSamplePeriod()", "00:00:30"),
        ("Count()", "10"),
        ("HistoryBeginTime()", "2025-11-25T11:55:30.000Z"),
    ],
)
def test_methods_of_sample_variables(expression: str, value: str) -> None:
    outcome = evaluate(f"x = $PendingTasks.{expression}", samples=TEN, now=NOW)
    assert write_value(outcome.variables["x"]) == value


def test_a_sample_variable_used_as_a_number_is_its_last_sample() -> None:
    formula = "x = $PendingTasks * 2; y = max(3, $PendingTasks); $TargetDedicatedNodes = $PendingTasks"
    outcome = evaluate(formula, samples=TEN)
    assert (outcome.variables, outcome.dedicated) == ({"x": 20, "y": 10}, 10)


def test_without_samples_vectors_are_empty() -> None:
    assert evaluate("x = len($CPUPercent.GetSample(1)) + $CPUPercent.Count()").variables == {"x": 0}


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (
            "$PendingTasks.GetSample(TimeInterval_Minute * 10, 70)",
            "Line 1, Col 24: Insufficient data from data set: $PendingTasks wanted 70%, received 50%",
        ),
        (
            "\n x = avg($CPUPercent.GetSample(TimeInterval_Minute, 10));",
            "Line 2, Col 31: Insufficient data from data set: $CPUPercent wanted 10%, received 0%",
        ),
        ("x = $CPUPercent", "Line 1, Col 5: Insufficient data from data set: $CPUPercent wanted 1 sample, received 0"),
        ("x = $CPUPercent.HistoryBeginTime()", "wanted 1 sample, received 0"),
    ],
)
def test_too_few_samples_are_told_as_the_service_tells_them(formula: str, message: str) -> None:
    error = compile_formula(formula).evaluate(samples=TEN, now=NOW).error
    assert isinstance(error, InsufficientSamplesError)
    assert message in str(error)
    assert error.code == "InsufficientSampleData"
    assert error.summary == "Autoscale evaluation failed due to insufficient sample data"


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("GetSample()", "Line 1, Col 28: expected GetSample(double count) or (timestamp or timeinterval start"),
        ("GetSample(-1)", "expected the number of samples wanted, from 0, found -1"),
        ("GetSample(0 / 0)", "expected the number of samples wanted, from 0, found nan"),
        ("GetSample(1, 2)", "found GetSample(double, double)"),
        ("GetSample('a')", "found GetSample(string)"),
        ("GetSample(TimeInterval_Day, TimeInterval_Day, TimeInterval_Day)", "found GetSample(timeinterval,"),
        ("GetSamplePercent(1)", "expected GetSamplePercent(timestamp or timeinterval start [, end])"),
        ("GetSamplePercent(TimeInterval_Day, 70)", "found GetSamplePercent(timeinterval, double)"),
        ("Count(1)", "expected Count(), found Count(double)"),
    ],
)
def test_wrong_arguments_are_told(expression: str, message: str) -> None:
    error = compile_formula(f"x = $PendingTasks.{expression}").evaluate(samples=TEN).error
    assert message in str(error)


def test_samples_may_have_times_of_their_own_and_another_period() -> None:
    times = [(NOW - timedelta(seconds=seconds)).timestamp() for seconds in (50, 20, 0)]
    series = Series.of("$ActiveTasks", zip(times, [5, float("nan"), 7], strict=True), period=10)
    formula = "x = $ActiveTasks.GetSample(TimeInterval_Minute); y = $ActiveTasks.GetSamplePercent(TimeInterval_Minute)"
    outcome = evaluate(formula, samples={"$ActiveTasks": series}, now=NOW)
    assert outcome.variables["x"] == (5, 7)
    assert outcome.variables["y"] == pytest.approx(100 / 3)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("GetSamplePeriod()", "Line 1, Col 34: the time interval is too long"),
        ("HistoryBeginTime()", "Line 1, Col 35: the timestamp lies outside the years 1 to 9999"),
    ],
)
def test_what_samples_of_a_huge_period_cannot_tell_is_told(expression: str, message: str) -> None:
    series = Series.ending("$PendingTasks", NOW, [1, 2], period=1e30)
    error = compile_formula(f"x = $PendingTasks.{expression}").evaluate(samples={"$PendingTasks": series}).error
    assert message in str(error)


def test_samples_of_what_is_no_sample_variable_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\$Pending is not one of the sample variables"):
        evaluate("x = 1", samples={"$Pending": [1]})


def test_the_last_samples_of_a_variable_without_any_are_an_empty_vector() -> None:
    # The reference lets a formula fail only where a percentage of a window's samples is asked for.
    empty = compile_formula("a = min(2, $CPUPercent.GetSample(1)); b = max(0, $CPUPercent.GetSample(1));")
    outcome = empty.evaluate(samples=TEN, now=NOW)
    assert outcome.error is None
    assert "a=2" in str(outcome.results)
    assert "b=0" in str(outcome.results)
