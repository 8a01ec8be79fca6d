"""Patterns of output files: what they match, and which are refused."""

import pytest

from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.patterns import parse_pattern


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.txt", "a.txt", True),
        ("a.txt", "sub/a.txt", False),
        ("*.txt", "a.txt", True),
        ("*.txt", "line\nbreak.txt", True),
        ("*.txt", "sub/a.txt", False),
        ("*", ".hidden", False),
        (".*", ".hidden", True),
        ("out/*.png", "out/a.png", True),
        ("./out//*.png", "out/a.png", True),
        ("out/*.png", "out/deep/a.png", False),
        ("out/**/*.png", "out/a.png", True),
        ("out/**/*.png", "out/very/deep/a.png", True),
        ("out/**/*.png", "a.png", False),
        ("**/*.png", ".git/a.png", False),
        ("out/**", "out/deep/a.png", True),
        ("out/**", "out", False),
        ("**", "a", True),
        ("rank[0-9].txt", "rank7.txt", True),
        ("rank[!0].txt", "rank0.txt", False),
        ("a[*].txt", "a*.txt", True),
        ("a[*].txt", "ab.txt", False),
        ("A.txt", "a.txt", False),
    ],
)
def test_a_pattern_matches_as_batch_matches_it(pattern: str, path: str, matches: bool) -> None:
    assert parse_pattern(pattern).matches(path) is matches


@pytest.mark.parametrize(
    ("pattern", "leading", "only"),
    [
        ("a.txt", "", "a.txt"),
        ("out//./a.txt", "out", "out/a.txt"),
        ("out[1]/a[*].txt", "", None),
        ("out/a[*].txt", "out", "out/a*.txt"),
        ("a[1", "", "a[1"),
        ("out/deep/*.txt", "out/deep", None),
        ("out/*/a.txt", "out", None),
        ("**/*.txt", "", None),
    ],
)
def test_the_fixed_part_of_a_pattern_is_known(pattern: str, leading: str, only: str | None) -> None:
    parsed = parse_pattern(pattern)
    assert (parsed.leading, parsed.only) == (leading, only)


@pytest.mark.parametrize("pattern", ["", "/", ".", "/etc/*", "..", "../x", "a/../../x", "a/.."])
def test_a_pattern_that_is_none_or_climbs_out_is_refused_in_one_line(pattern: str) -> None:
    with pytest.raises(BadInput, match="stay below it") as refused:
        parse_pattern(pattern)
    assert "\n" not in str(refused.value)
