"""Ranges of task ids: which ids stand for numbers, and how a number is found in ranges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbatch.rules.dependencies import LEAST, MOST, nodes_of_number, nodes_of_range, number_of

NUMBERS = st.integers(LEAST, MOST) | st.integers(-20, 20)


@pytest.mark.parametrize(
    ("task_id", "number"),
    [("4", 4), ("04", 4), ("004", 4), ("0", 0), ("-4", -4), ("5flamingoes", None), ("a", None), ("1_0", None)],
)
def test_an_id_counts_in_ranges_if_it_is_a_whole_number(task_id: str, number: int | None) -> None:
    assert number_of(task_id) == number


def test_numbers_of_more_than_32_bits_are_in_no_range() -> None:
    assert number_of(str(MOST)) == MOST
    assert number_of(str(MOST + 1)) is None
    assert number_of("9" * 64) is None


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_number_and_a_range_share_one_node_exactly_if_it_lies_within(start: int, end: int, number: int) -> None:
    nodes = list(nodes_of_range(start, end))
    shared = set(nodes) & set(nodes_of_number(number))
    assert len(shared) == (1 if start <= number <= end else 0)
    assert len(nodes) == len(set(nodes)) <= 64


def test_the_widest_range_is_one_node() -> None:
    assert len(list(nodes_of_range(LEAST, MOST))) == 1
