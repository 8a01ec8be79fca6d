"""Conditional headers, as they are compared with a resource."""

from datetime import UTC, datetime, timedelta

import pytest

from localbatch.service.conditions import Conditions, read_conditions
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import format_http_date, make_etag

MODIFIED = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ETAG = make_etag(MODIFIED)


@pytest.mark.parametrize("etag", [ETAG, f'"{ETAG}"', f'W/"{ETAG}"', f'"0x1", "{ETAG}"', "*"])
def test_an_etag_matches_with_and_without_quotes(etag: str) -> None:
    Conditions(match=etag).check(MODIFIED)
    with pytest.raises(ServiceError):
        Conditions(none_match=etag).check(MODIFIED)


def test_a_resource_is_not_modified_since_its_own_date() -> None:
    headers = {"if-modified-since": format_http_date(MODIFIED)}
    with pytest.raises(ServiceError) as caught:
        read_conditions(headers, reading=True).check(MODIFIED)
    assert caught.value.status == 304
    read_conditions(headers, reading=True).check(MODIFIED + timedelta(seconds=1))


def test_a_resource_is_unmodified_since_its_own_date() -> None:
    headers = {"if-unmodified-since": format_http_date(MODIFIED)}
    read_conditions(headers, reading=False).check(MODIFIED)
    with pytest.raises(ServiceError) as caught:
        read_conditions(headers, reading=False).check(MODIFIED + timedelta(seconds=1))
    assert caught.value.status == 412


def test_what_has_no_etag_is_compared_by_date_alone() -> None:
    Conditions(match='"0x1"', none_match="*").check(MODIFIED, with_etag=False)


READS = [
    ({"if-match": '"0x1"'}, 412),
    ({"if-none-match": "*"}, 304),
    ({"if-modified-since": "Thu, 31 Dec 2099 00:00:00 GMT"}, 304),
    ({"if-unmodified-since": "Fri, 17 Feb 2017 00:00:00 GMT"}, 412),
    ({"if-unmodified-since": "Friday, 17-Feb-17 00:00:00 GMT"}, 412),
]


@pytest.mark.parametrize(("headers", "status"), READS)
def test_each_condition_has_its_status_for_reads_and_all_are_412_for_writes(
    headers: dict[str, str], status: int
) -> None:
    for reading, expected in ((True, status), (False, 412)):
        with pytest.raises(ServiceError) as caught:
            read_conditions(headers, reading=reading).check(MODIFIED)
        assert (caught.value.code, caught.value.status) == ("ConditionNotMet", expected)


def test_an_etag_decides_over_the_date_that_may_come_with_it() -> None:
    past, future = "Fri, 17 Feb 2017 00:00:00 GMT", "Thu, 31 Dec 2099 00:00:00 GMT"
    read_conditions({"if-match": ETAG, "if-unmodified-since": past}, reading=True).check(MODIFIED)
    read_conditions({"if-none-match": "0x1", "if-modified-since": future}, reading=True).check(MODIFIED)


@pytest.mark.parametrize(
    "names",
    [
        ("if-match", "if-none-match"),
        ("if-match", "if-modified-since"),
        ("if-none-match", "if-unmodified-since"),
        ("if-modified-since", "if-unmodified-since"),
        ("if-match", "if-none-match", "if-unmodified-since"),
    ],
)
def test_other_conditions_may_not_come_together(names: tuple[str, ...]) -> None:
    with pytest.raises(ServiceError, match="MultipleConditionHeadersNotSupported"):
        read_conditions(dict.fromkeys(names, "Fri, 17 Feb 2017 00:00:00 GMT"), reading=True)
