"""What is no formula: refused with line and column, soon, and with nothing but the error of formulas."""

import sys
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localbatch.autoscale.errors import FormulaError, FormulaSyntaxError, FormulaTooLongError
from localbatch.autoscale.formula import compile_formula, evaluate
from localbatch.autoscale.functions import FUNCTIONS
from localbatch.autoscale.names import METHODS, METRICS, SETTABLE, TICKS


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("", "Line 1, Col 1: expected a statement, found the end"),
        (" // nothing\n", "Line 2, Col 1: expected a statement, found the end"),
        ("x = ", "Line 1, Col 5: expected a value, found the end"),
        ("x = 1 +;", "Line 1, Col 8: expected a value, found ';'"),
        ("x = (1", "Line 1, Col 7: expected ')', found the end"),
        ("x = 1)", "Line 1, Col 6: expected an operator or ';', found ')'"),
        ("x = 1\ny = 2", "Line 2, Col 1: expected an operator or ';', found 'y'"),
        ("x = 1 ? 2;", "Line 1, Col 10: expected ':', found ';'"),
        ("x = [1, 2", "expected ']', found the end"),
        ("x = max(1,)", "Line 1, Col 11: expected a value, found ')'"),
        ("x = 1 = 2", "expected an operator or ';', found '='"),
        ("1 = x", "Line 1, Col 3: expected an operator or ';', found '='"),
        ("x = 12abc", "Line 1, Col 7: expected an operator or ';', found 'abc'"),
        ("x = 1 # 2", "Line 1, Col 7: expected a value, a name or an operator, found '#'"),
        ("x = 'a", 'Line 1, Col 5: expected a value, a name or an operator, found "\'"'),
        ("x = $", "found '$'"),
        ("x = 1e999", "Line 1, Col 5: expected a number that a double can hold"),
        ("x = /* open", "Line 1, Col 5: expected a value, found '/'"),
        ("x = foo(1)", "Line 1, Col 5: expected a function (avg, ceil, floor,"),
        ("x = time().age", "Line 1, Col 12: expected one of year, month, day, weekday, hour, minute, second, found"),
        ("x = $PendingTasks.Sample(1)", "expected one of GetSample, GetSamplePeriod, Count, HistoryBeginTime,"),
        ("x = time().5", "expected an operator or ';', found '.5'"),
        ("$PendingTasks = 1", "Line 1, Col 1: expected a variable that can be set, found '$PendingTasks'"),
        ("TimeInterval_Day = 1", "expected a variable that can be set"),
        ("requeue = 1", "expected a variable that can be set"),
    ],
)
def test_syntax_errors_say_where_and_what_was_expected(formula: str, message: str) -> None:
    with pytest.raises(FormulaSyntaxError) as caught:
        compile_formula(formula)
    assert message in str(caught.value)
    assert caught.value.code == "AutoScalingFormulaSyntaxError"


def test_a_formula_may_be_8192_characters_long_and_no_longer() -> None:
    compile_formula("x = 1".ljust(8192))
    with pytest.raises(FormulaTooLongError, match="expected at most 8192 characters, found 8193"):
        compile_formula("x = 1".ljust(8193))


def test_a_formula_may_have_100_statements_and_no_more() -> None:
    assert evaluate("x = 1;" * 100).variables == {"x": 1}
    with pytest.raises(FormulaTooLongError, match="Line 1, Col 601: expected at most 100 statements"):
        compile_formula("x = 1;" * 101)


@pytest.mark.parametrize(
    "formula",
    [
        "x = " + "(" * 4000,
        "x = " + "-" * 8000 + "1",
        "x = " + "!" * 8000 + "1",
        "x = " + "1 ? " * 2000,
        "x = " + "1?1:" * 2000 + "1",
        "x = " + "[" * 4000,
        "x = " + "max(" * 2000,
        "x = " + "1+(" * 2000,
        "x = time()" + ".year" * 1000,
    ],
)
def test_deep_nesting_is_refused(formula: str) -> None:
    with pytest.raises(FormulaSyntaxError, match="at most 64 deep"):
        compile_formula(formula)


@pytest.mark.parametrize(
    "formula",
    [
        "x = " + "(" * 60 + "1" + ")" * 60,
        "x = " + "1||0&&1==1<1+1*(" * 8 + "1" + ")" * 8,
        "x = " + "max(1, [" * 30 + "1" + "])" * 30,
        "x = " + "1?(" * 30 + "1" + "):0" * 30,
        "x = " + "1+" * 4000 + "1",
        "x = " + "1&&" * 2000 + "1",
    ],
)
def test_what_is_not_too_deep_needs_little_of_the_stack(formula: str) -> None:
    former = sys.getrecursionlimit()
    depth = len(_frames())
    sys.setrecursionlimit(depth + 500)
    try:
        evaluate(formula)
    finally:
        sys.setrecursionlimit(former)


def _frames() -> list[object]:
    frame, frames = sys._getframe(), list[object]()
    while frame.f_back is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


@pytest.mark.parametrize(
    "formula",
    [
        "a = [1, 1];" + "a = vec(a, a);" * 90,
        "a = $PendingTasks.GetSample(9e9);" + f"b = sum({','.join('a' * 1000)});" * 3,
        "a = " + "+".join(["avg($PendingTasks.GetSample(9e9))"] * 230),
        "a = $PendingTasks.GetSample(9e9);" + "a = " + "+".join("a" * 4000),
        "a = $PendingTasks.GetSample(9e9);" + "b = " + "+".join(["percentile(a, 50)"] * 400),
    ],
)
def test_no_formula_handles_more_than_a_million_numbers(formula: str) -> None:
    with pytest.raises(FormulaError, match="at most 1000000 numbers"):
        evaluate(formula, samples={"$PendingTasks": [1.0] * 2880})


_WORDS = (
    *METRICS,
    *SETTABLE,
    *TICKS,
    *(f"{name}(" for name in FUNCTIONS),
    *(f".{name}(" for name in METHODS),
    *("x", "$y", ".hour", "=", "==", "&&", "||", "!", "?", ":", ";", ",", "(", ")", "[", "]", "+", "-", "*", "/", "<"),
    *("1", "0", "2.5", "1e308", "-1", '"2025-11-25"', "'a'", "requeue", " ", "\n", "//", "/*", "*/"),
)


@settings(deadline=None, max_examples=400)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(_WORDS), max_size=60).map("".join)))
def test_whatever_the_text_nothing_but_the_error_of_formulas_is_raised_and_soon(text: str) -> None:
    began = time.process_time()
    with suppress(FormulaError):
        evaluate(text, samples={"$PendingTasks": [1, 2, 3]})
    assert time.process_time() - began < 1


_VALUES = st.sampled_from(
    ["1", "0", "2.5", "1e308", "[1,2]", "[]", "'a'", "time()", "TimeInterval_Day", "$PendingTasks", "$ActiveTasks", "x"]
)
_EXPRESSIONS = st.recursive(
    _VALUES,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "<", "==", "&&", "||"]), inner).map(
            lambda parts: f"({''.join(parts)})"
        ),
        st.tuples(st.sampled_from([*FUNCTIONS]), st.lists(inner, max_size=3)).map(
            lambda parts: f"{parts[0]}({','.join(parts[1])})"
        ),
        st.tuples(inner, inner, inner).map(lambda parts: f"({parts[0]} ? {parts[1]} : {parts[2]})"),
        st.tuples(st.sampled_from(["-", "!"]), inner).map("".join),
        st.tuples(inner, st.sampled_from(METHODS), st.lists(inner, max_size=3)).map(
            lambda parts: f"{parts[0]}.{parts[1]}({','.join(parts[2])})"
        ),
        inner.map(lambda owner: f"{owner}.hour"),
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=400)
@given(_EXPRESSIONS)
def test_whatever_can_be_read_comes_to_an_outcome(expression: str) -> None:
    try:
        outcome = compile_formula(f"x = 1; x = {expression}").evaluate(samples={"$PendingTasks": [1, 2, 3]})
    except FormulaSyntaxError:
        return  # nested too deep
    assert outcome.results
