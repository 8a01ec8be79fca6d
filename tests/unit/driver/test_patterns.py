"""Patterns of output files, without a disk."""

import pytest

from localbatch.driver.patterns import literal, parse_pattern


@pytest.mark.parametrize(
    ("text", "fixed", "parts", "has_wildcard"),
    [
        ("a.txt", "", ("a.txt",), False),
        ("out/a.txt", "out", ("a.txt",), False),
        ("../std*.txt", "..", ("std*.txt",), True),
        ("./out//*.txt", "out", ("*.txt",), True),
        ("**/*.txt", "", ("**", "*.txt"), True),
        ("a/b*/c/d.txt", "a", ("b*", "c", "d.txt"), True),
        ("/abs/x?.txt", "/abs", ("x?.txt",), True),
        ("/top", "/", ("top",), False),
        ("abc[*]", "", ("abc[*]",), False),
        ("a[[]1]/b.txt", "a[1]", ("b.txt",), False),
        ("a[1/b.txt", "a[1", ("b.txt",), False),
        ("$HERE/*.txt", "/x[1]/y", ("*.txt",), True),
        ("${HERE}/a.txt", "/x[1]/y", ("a.txt",), False),
        ("$UNKNOWN/a.txt", "$UNKNOWN", ("a.txt",), False),
        ("price$.txt", "", ("price$.txt",), False),
    ],
)
def test_a_pattern_is_split_at_its_first_wildcard(
    text: str, fixed: str, parts: tuple[str, ...], has_wildcard: bool
) -> None:
    pattern = parse_pattern(text, {"HERE": "/x[1]/y"})
    assert (pattern.fixed, pattern.parts, pattern.has_wildcard) == (fixed, parts, has_wildcard)


@pytest.mark.parametrize(
    ("part", "name", "matches"),
    [
        ("*.txt", "a.txt", True),
        ("*.txt", "a.txt.bak", False),
        ("*.txt", "line\nbreak.txt", True),
        ("*.gif", ".a.gif", False),
        (".*.gif", ".a.gif", True),
        ("*", "anything", True),
        ("*", ".hidden", False),
        ("?", "ä", True),
        ("?", "ab", False),
        ("[!a].txt", "b.txt", True),
        ("[!a].txt", "a.txt", False),
        ("[a-c].txt", "b.txt", True),
        ("abc[*]", "abc*", True),
        ("abc[*]", "abcd", False),
        ("A.txt", "a.txt", False),
        ("a+(b).txt", "a+(b).txt", True),
    ],
)
def test_a_name_matches_its_part_of_a_pattern(part: str, name: str, matches: bool) -> None:
    assert parse_pattern(part, {}).matches(0, name) is matches


@pytest.mark.parametrize(("part", "name"), [("plain", "plain"), ("a[*]b[?]", "a*b?"), ("[ab]", None), ("a?", None)])
def test_a_part_without_wildcards_has_one_name(part: str, name: str | None) -> None:
    assert literal(part) == name


@pytest.mark.parametrize("text", ["", "/", "."])
def test_a_pattern_of_no_names_matches_nothing(text: str) -> None:
    assert parse_pattern(text, {}).parts == ()
