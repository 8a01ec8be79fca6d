"""The ready line, written and read."""

import json

import pytest

from localbatch.wire.connection import Endpoints

ENDPOINTS = Endpoints(
    batch_endpoint="http://127.0.0.1:1",
    batch_account="batch",
    batch_key="c2VjcmV0",
    blob_endpoint="http://127.0.0.1:2/storage",
    storage_account="storage",
    storage_key="aGlkZGVu",
    storage_connection_string="AccountKey=aGlkZGVu;",
    root="/somewhere",
    pid=3,
)


def test_a_line_is_read_as_it_was_written() -> None:
    assert Endpoints.from_line(ENDPOINTS.to_line()) == ENDPOINTS
    assert "\n" not in ENDPOINTS.to_line()


def test_no_storage_is_null_on_the_line_and_empty_here() -> None:
    line = json.dumps(json.loads(ENDPOINTS.to_line()) | {"blob_endpoint": None, "storage_key": None})
    endpoints = Endpoints.from_line(line)
    assert (endpoints.blob_endpoint, endpoints.storage_key) == ("", "")
    assert json.loads(endpoints.to_line())["blob_endpoint"] is None


def test_properties_of_later_versions_are_left_out() -> None:
    assert Endpoints.from_line(json.dumps(json.loads(ENDPOINTS.to_line()) | {"new": 1})) == ENDPOINTS


def test_the_repr_shows_no_key() -> None:
    assert "c2VjcmV0" not in repr(ENDPOINTS)
    assert "aGlkZGVu" not in repr(ENDPOINTS)


@pytest.mark.parametrize("line", ["", "secret", "[]", "{}", "null", '"secret"', b"\xff", '{"pid": "secret"}'])
def test_another_text_is_refused_without_being_shown(line: str | bytes) -> None:
    with pytest.raises(ValueError, match="is not the line") as raised:
        Endpoints.from_line(line)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None
