"""Conditional headers, as they are compared with a resource."""

from datetime import UTC, datetime, timedelta

import pytest

from localbatch.errors import ServiceError
from localbatch.service.conditions import Conditions, read_conditions
from localbatch.wire import format_http_date, make_etag

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
