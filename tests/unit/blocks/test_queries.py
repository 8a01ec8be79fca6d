"""Queries of links taken out of texts."""

import pytest

from prefect_azure_batch.blocks.queries import safe_cause, without_queries

SECRET = "sv=2025-01-05&sp=r&sig=c2Vj%2BcmV0%3D"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"GET https://lab.example/c/b?{SECRET} failed", "GET https://lab.example/c/b failed"),
        (f"Max retries exceeded with url: /c?restype=container&{SECRET} (Caused by X)",
         "Max retries exceeded with url: /c (Caused by X)"),
        (f"('http://h/a?{SECRET}', 'http://h/b?{SECRET}')", "('http://h/a', 'http://h/b')"),
        ("Is it there? a=b", "Is it there? a=b"),
        ("what? Nothing", "what? Nothing"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_rest_of_a_text_stays(text: str, left: str) -> None:
    assert without_queries(text) == left


def test_an_error_with_a_link_anywhere_behind_it_is_no_cause_to_show() -> None:
    plain = ValueError("refused")
    assert safe_cause(plain) is plain
    plain.__context__ = OSError(f"url: /c?{SECRET}")
    assert safe_cause(plain) is None
