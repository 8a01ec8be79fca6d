"""Command lines, split as the nodes of Batch do."""

import pytest

from localbatch.driver.command import split_command


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("echo a  b", ["echo", "a", "b"]),
        ("/bin/bash -c 'echo \"$HOME\" | wc'", ["/bin/bash", "-c", 'echo "$HOME" | wc']),
        ("echo \"two words\" '$x' a\\ b", ["echo", "two words", "$x", "a b"]),
        ("echo $HOME ~ * ; # & | > <", ["echo", "$HOME", "~", "*", ";", "#", "&", "|", ">", "<"]),
        ("a ''", ["a", ""]),
        ("a\tb\nc", ["a", "b", "c"]),
    ],
)
def test_quotes_are_read_and_nothing_is_expanded(line: str, words: list[str]) -> None:
    assert split_command(line) == words


@pytest.mark.parametrize("line", ["", "   ", "'a", 'a "b', "a\\"])
def test_a_line_without_a_program_or_with_an_open_quote_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"empty|closing quotation|escaped"):
        split_command(line)
