"""Streams on their way to a blob."""

import pytest

from prefect_azure_batch.tasks.transfer import joined, some_at_a_time


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], []),
        ([b""], []),
        ([b"abc", b"d", b"e"], [b"abcd", b"e"]),
        ([b"a", b"larger", b"b", b"c"], [b"a", b"larger", b"bc"]),
    ],
)
def test_small_pieces_are_joined(pieces: list[bytes], expected: list[bytes]) -> None:
    assert list(joined(pieces, 4)) == expected


def test_items_come_some_at_a_time() -> None:
    assert list(some_at_a_time(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
    assert list(some_at_a_time([], 2)) == []
