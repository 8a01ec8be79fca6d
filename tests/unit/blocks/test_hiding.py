"""Values of secrets taken out of texts."""

import pytest

from prefect_azure_batch.blocks.hiding import hide, without_hidden
from prefect_azure_batch.tasks.logs import last_lines


@pytest.fixture(autouse=True)
def value() -> str:
    hide("correct-horse battery\nstaple of hay\nx\n")
    hide("abc")
    hide("my horse")
    return "staple of hay"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing", "nothing"),
        ("a correct-horse battery\nstaple of hay\nx z", "a *** z"),
        ("second: staple of hay.", "second: ***."),
        ("abc", "abc"),
        ("horse battery, cut off", "***, cut off"),
        ("cut off: correct-ho", "cut off: ***"),
    ],
)
def test_a_text_is_shown_without_hidden_values(text: str, shown: str) -> None:
    assert without_hidden(text) == shown


def test_the_end_of_a_log_is_shown_without_them() -> None:
    assert last_lines(b"aple of hay\nkey=staple of hay\nlast") == "***\nkey=***\nlast"
