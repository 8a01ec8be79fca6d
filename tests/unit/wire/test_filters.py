"""What ``$filter`` lets through and what it refuses."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from localbatch.rules import filters
from localbatch.wire.errors import ServiceError
from localbatch.wire.filters import Rules, compile_filter, equality, select, selects
from localbatch.wire.formats import JsonObject

TASK: JsonObject = {
    "id": "Frame-7",
    "state": "completed",
    "creationTime": "2026-03-06T12:00:00.0000000Z",
    "lastModified": "2026-03-06T12:00:00.0000000Z",
    "executionInfo": {"exitCode": 3, "result": "failure", "endTime": "2026-03-06T12:00:05.5000000Z"},
}
WAITING: JsonObject = {"id": "O'Neil", "state": "active", "executionInfo": {"retryCount": 0}}

TABLES = [
    filters.POOLS,
    filters.NODES,
    filters.JOBS,
    filters.JOBS_OF_SCHEDULE,
    filters.JOB_SCHEDULES,
    filters.TASKS,
    filters.PREPARATION_AND_RELEASE,
    filters.FILES,
    filters.NODE_COUNTS,
    filters.SUPPORTED_IMAGES,
    filters.USAGE_METRICS,
]


def passes(text: str, document: JsonObject = TASK, rules: Rules = filters.TASKS) -> bool:
    return compile_filter(text, rules)(document)


def reason(text: str, rules: Rules = filters.TASKS) -> str:
    with pytest.raises(ServiceError) as caught:
        compile_filter(text, rules)
    values = dict(caught.value.values)
    assert (caught.value.code, caught.value.status) == ("InvalidQueryParameterValue", 400)
    # Long values are cut short.
    assert text.startswith(values["QueryParameterValue"].removesuffix("..."))
    assert values["QueryParameterName"] == "$filter"
    return values["Reason"]


@pytest.mark.parametrize(
    "text",
    [
        "state eq 'completed'",
        "state eq 'Completed'",
        "  state  eq\t'completed' ",
        "state ne 'active'",
        "id eq 'frame-7'",
        "id ge 'frame-7' and id lt 'G'",
        "startswith(id, 'FRAME')",
        "startswith( id ,'')",
        "executionInfo/exitCode eq 3",
        "executionInfo/exitCode gt -1",
        "executionInfo/exitCode le 3",
        "executionInfo/result ne 'success'",
        "executionInfo/endTime gt DateTime'2026-03-06T12:00:05Z'",
        "executionInfo/endTime gt datetime'Fri, 06 Mar 2026 12:00:05 GMT'",
        "lastModifiedTime eq DateTime'2026-03-06T13:00:00+01:00'",
        "state eq 'active' or id eq 'frame-7'",
        "state eq 'completed' AND (id eq 'x' OR id eq 'frame-7')",
        "((state eq 'completed'))",
    ],
)
def test_a_filter_lets_a_task_through(text: str) -> None:
    assert passes(text)


@pytest.mark.parametrize(
    "text",
    [
        "state eq 'running'",
        "state ne 'completed'",
        "startswith(id, 'rame')",
        "executionInfo/exitCode lt 3",
        "executionInfo/endTime le DateTime'2026-03-06T12:00:05Z'",
        "state eq 'active' or id eq 'x'",
        "state eq 'completed' and id eq 'x'",
    ],
)
def test_a_filter_holds_a_task_back(text: str) -> None:
    assert not passes(text)


def test_and_binds_closer_than_or() -> None:
    assert passes("id eq 'frame-7' or id eq 'x' and state eq 'running'")
    assert not passes("(id eq 'frame-7' or id eq 'x') and state eq 'running'")


def test_a_quote_in_a_text_is_written_twice() -> None:
    assert passes("id eq 'O''Neil'", WAITING)
    assert not passes("id eq 'O''Neil'")


def test_a_property_that_is_lacking_is_unequal_to_everything() -> None:
    assert passes("executionInfo/exitCode ne 0", WAITING)
    assert not passes("executionInfo/exitCode eq 0", WAITING)
    assert not passes("executionInfo/exitCode le 0 or executionInfo/exitCode gt 0", WAITING)
    assert not passes("startswith(id, '')", {})


def test_a_stored_time_that_is_none_matches_nothing() -> None:
    assert not passes("creationTime gt DateTime'2000-01-01'", {"creationTime": "soon"})


def test_a_blank_filter_lets_everything_through() -> None:
    assert passes(" ")


def test_flags_are_compared_with_true_and_false() -> None:
    assert passes("enableAutoScale eq false", {"enableAutoScale": False}, filters.POOLS)
    assert not passes("enableAutoScale eq true", {"enableAutoScale": False}, filters.POOLS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("State eq 'active'", "'State' is not one of the properties id, state"),
        ("commandLine eq 'x'", "is not one of the properties"),
        ("lastModified gt DateTime'2026-01-01'", "is not one of the properties"),
        ("state gt 'active'", "allows only eq, ne, not 'gt'"),
        ("startswith(state, 'a')", "allows only eq, ne, not 'startswith'"),
        ("state eq 'done'", "is one of active, preparing, running, completed"),
        ("state eq active", "instead of a value"),
        ("state eq 1", "compared with a text"),
        ("executionInfo/exitCode eq '0'", "compared with a number"),
        ("executionInfo/exitCode eq true", "compared with a number"),
        ("executionInfo/exitCode eq 0.5", "position"),
        ("executionInfo/exitCode eq 99999999999999999999", "position"),
        ("creationTime gt '2026-01-01'", "compared with DateTime"),
        ("creationTime gt DateTime'soon'", "is not a date and time"),
        ("id like 'x'", "not one of the operators"),
        ("id", "instead of one of the operators"),
        ("id eq", "instead of a value"),
        ("id eq 'x", "position 6"),
        ("id eq 'x' id eq 'y'", "instead of 'and', 'or' or the end"),
        ("(id eq 'x'", "instead of ')'"),
        ("id eq 'x')", "instead of 'and', 'or' or the end"),
        ("and id eq 'x'", "'id' is not one of the operators"),
        ("startswith(id 'x')", "instead of ','"),
        ("startswith(id, 3)", "instead of a text in quotes"),
        ("startswith('x', id)", "instead of a property"),
        ("contains(id, 'x')", "instead of one of the operators"),
        ("not id eq 'x'", "'id' is not one of the operators"),
        ("id eq 'x';", "position 9"),
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_with_the_reason(text: str, why: str) -> None:
    assert why in reason(text)


def test_deep_nesting_is_refused_before_it_overflows() -> None:
    assert "deep" in reason("(" * 100_000)
    assert passes("(" * 50 + "state eq 'completed'" + ")" * 50)


def test_a_long_chain_is_read() -> None:
    assert passes(" or ".join(["id eq 'x'"] * 5000 + ["id eq 'frame-7'"]))


def test_each_list_has_rules_of_its_own() -> None:
    assert "properties name" in reason("id eq 'x'", filters.FILES)
    assert passes("startswith(name, 'wd')", {"name": "wd/a.txt"}, filters.FILES)
    assert "allows only startswith" in reason("name eq 'wd'", filters.FILES)
    assert passes("osType eq 'linux'", {"osType": "Linux"}, filters.SUPPORTED_IMAGES)
    assert "properties" in reason("id eq 'x'", filters.NODES)
    assert "properties" in reason("id eq 'x'", filters.JOBS_OF_SCHEDULE)


KEYWORDS = ["(", ")", ",", "and", "or", "eq", "ne", "gt", "startswith", "datetime", "true"]
NAMES = ["state", "id", "executionInfo/exitCode", "creationTime"]
VALUES = ["'x'", "'active'", "0", "-1", "DateTime'2026-01-01'", "DateTime'x'", "'", "''"]
WORDS = st.sampled_from(KEYWORDS + NAMES + VALUES)


@given(st.text() | st.lists(WORDS, max_size=30).map(" ".join), st.sampled_from(TABLES))
@example("id eq '\x00'", filters.TASKS)
def test_a_filter_is_either_read_or_refused_and_nothing_else(text: str, rules: Rules) -> None:
    try:
        assert compile_filter(text, rules)(TASK) in (True, False)
        equality(text, "state")
    except ServiceError as error:
        refused_as = error.code
    else:
        return
    assert refused_as == "InvalidQueryParameterValue"


@given(st.text())
def test_any_text_in_quotes_is_found_again(text: str) -> None:
    quoted = text.replace("'", "''")
    assert passes(f"id eq '{quoted}'", {"id": text})
    assert equality(f"id eq '{quoted}'", "id") == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("state eq 'Active'", "Active"),
        ("id ne 'x' and (state eq 'active' and id gt 'b')", "active"),
        ("state eq 'active' or state eq 'running'", None),
        ("id eq 'x' and (state eq 'active' or state eq 'running')", None),
        ("state ne 'active'", None),
        ("id eq 'active'", None),
        ("", None),
    ],
)
def test_the_value_a_filter_pins_is_known(text: str, value: str | None) -> None:
    assert equality(text, "state") == value


def test_a_filter_is_refused_while_its_pinned_value_is_sought() -> None:
    with pytest.raises(ServiceError, match="InvalidQueryParameterValue"):
        equality("state eq", "state")


POOL: JsonObject = {
    "odata.metadata": "m",
    "id": "p",
    "state": "active",
    "startTask": {"commandLine": "c", "userIdentity": {"username": "u"}, "waitForSuccess": True},
}


@pytest.mark.parametrize("text", [None, "", " ", "*"])
def test_without_a_selection_all_is_left(text: str | None) -> None:
    assert select(POOL, text) == POOL


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("id,state", {"id": "p", "state": "active"}),
        (" id , url ", {"id": "p"}),
        ("ID", {}),
        ("startTask/commandLine,startTask/waitForSuccess", {"startTask": {"commandLine": "c", "waitForSuccess": True}}),
        ("startTask/userIdentity/username", {"startTask": {"userIdentity": {"username": "u"}}}),
        ("startTask,startTask/commandLine", {"startTask": POOL["startTask"]}),
        ("id/x", {}),
    ],
)
def test_a_selection_leaves_what_it_names(text: str, left: JsonObject) -> None:
    assert select(POOL, text) == {"odata.metadata": "m", **left}


@pytest.mark.parametrize(
    ("text", "left"), [(None, True), ("*", True), ("id, tasks", True), ("tasks/id", True), ("id,task", False)]
)
def test_what_a_selection_leaves_is_known_beforehand(text: str | None, left: bool) -> None:
    assert selects(text, "tasks") is left


def test_a_selection_does_not_change_the_document() -> None:
    inner: JsonObject = {"a": 1, "b": 2}
    document: JsonObject = {"x": inner}
    assert select(document, "x,x/a,x/b") == {"x": {"a": 1, "b": 2}}
    assert select(document, "x/a") == {"x": {"a": 1}}
    assert document == {"x": {"a": 1, "b": 2}}


@pytest.mark.parametrize("text", ["id,", "id;state", "/id", "id state", "id,,state"])
def test_a_malformed_selection_is_refused(text: str) -> None:
    with pytest.raises(ServiceError) as caught:
        select(POOL, text)
    assert caught.value.code == "InvalidQueryParameterValue"
    assert caught.value.values[0] == ("QueryParameterName", "$select")
