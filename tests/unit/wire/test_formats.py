"""Times, durations and etags as they stand on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbatch.wire.formats import (
    INFINITE,
    format_duration,
    format_http_date,
    format_time,
    make_etag,
    parse_duration,
    parse_time,
)

FOR_EVER = "P10675199DT2H48M5.4775807S"
ZONES = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
MOMENTS = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=ZONES)


@given(st.timedeltas(min_value=timedelta(0), max_value=INFINITE - timedelta(seconds=1)))
def test_a_duration_survives_the_wire(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@given(MOMENTS)
def test_a_moment_survives_the_wire(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


# Headers follow the mail rules, by which a year below 1000 is short for one of the last or this century.
@given(st.datetimes(min_value=datetime(1000, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.just(UTC)))
def test_a_moment_survives_a_header_to_the_second(moment: datetime) -> None:
    assert parse_time(format_http_date(moment)) == moment.replace(microsecond=0)


@given(st.text() | st.none() | st.integers() | st.floats() | st.lists(st.text()))
def test_what_is_no_duration_is_refused_as_a_value_error(value: object) -> None:
    try:
        assert parse_duration(value) >= timedelta(0)
    except ValueError:
        return


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{1,10}(Z|[+-][0-9:]{1,6})?", fullmatch=True))
def test_what_is_no_moment_is_refused_as_a_value_error(text: str) -> None:
    try:
        assert parse_time(text).tzinfo is UTC
    except ValueError:
        return


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(minutes=15), "PT15M"),
        (timedelta(days=7), "P7D"),
        (timedelta(hours=36), "P1DT12H"),
        (timedelta(milliseconds=500), "PT0.5S"),
        (timedelta(hours=1, seconds=1), "PT1H1S"),
        (INFINITE, FOR_EVER),
    ],
)
def test_a_duration_is_written_as_the_service_writes_it(duration: timedelta, text: str) -> None:
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("P1W", timedelta(weeks=1)),
        ("P1Y2M3D", timedelta(days=365 + 60 + 3)),
        ("PT90M", timedelta(minutes=90)),
        ("PT36H", timedelta(hours=36)),
        ("PT0.0000016S", timedelta(microseconds=2)),
    ],
)
def test_other_ways_to_write_a_duration_are_read(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "PT.5S", "-PT1S", "15M", "PT1M1H", "pt1m", "PT1S ", "PT1S\n", "PT١S", "P99999999D"]
)
def test_a_malformed_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        parse_duration(text)


@pytest.mark.parametrize("text", [FOR_EVER, "P10675199DT2H48M5.477581S", "P10675199DT2H48M5.47758S"])
def test_no_limit_is_understood_however_a_client_rounds_it(text: str) -> None:
    assert parse_duration(text) == INFINITE
    assert format_duration(parse_duration(text)) == FOR_EVER


def test_more_than_no_limit_and_less_than_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        parse_duration(INFINITE + timedelta(microseconds=1))
    with pytest.raises(ValueError, match="negative"):
        format_duration(timedelta(microseconds=-1))


def test_a_moment_has_seven_digits_and_is_in_utc() -> None:
    moment = datetime(2022, 9, 7, 1, 44, 11, 515371, tzinfo=timezone(timedelta(hours=2)))
    assert format_time(moment) == "2022-09-06T23:44:11.5153710Z"
    assert format_http_date(moment) == "Tue, 06 Sep 2022 23:44:11 GMT"


def test_the_seventh_digit_of_a_moment_is_read_and_dropped() -> None:
    assert parse_time("2022-09-06T23:44:11.5153711Z") == datetime(2022, 9, 6, 23, 44, 11, 515371, tzinfo=UTC)


def test_a_moment_without_a_zone_is_read_as_utc_and_never_written() -> None:
    assert parse_time("2022-09-06T23:44:11") == datetime(2022, 9, 6, 23, 44, 11, tzinfo=UTC)
    with pytest.raises(ValueError, match="time zone"):
        format_time(datetime(2022, 9, 6))


@given(st.integers(0, 2**40), st.integers(1, 1000))
def test_etags_of_later_versions_are_greater(version: int, changes: int) -> None:
    assert int(make_etag(version), 16) < int(make_etag(version + changes), 16)


def test_the_etag_of_a_moment_counts_ticks_since_the_year_one() -> None:
    assert make_etag(datetime(2022, 9, 6, 23, 44, 11, 515371, tzinfo=UTC)) == "0x8DA9061B2F7BB2E"
