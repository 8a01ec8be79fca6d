"""A formula as tokens.

Comments run from ``//`` to the end of the line, or from ``/*`` to ``*/``. Strings stand in double or single quotes, on
one line, and have no escapes.
"""

import math
import re
from bisect import bisect_right
from dataclasses import dataclass

from localbatch.autoscale.errors import FormulaSyntaxError, Place

_TOKEN = re.compile(
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>\$?[A-Za-z_][A-Za-z0-9_]*)"
    r"""|(?P<string>"[^"\r\n]*"|'[^'\r\n]*')"""
    r"|(?P<mark>&&|\|\||[<>=!]=|[-+*/<>=!?:;,.()\[\]])"
)
_BLANK = re.compile(r"(?:\s|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)


@dataclass(frozen=True)
class Token:
    """A piece of a formula: ``number``, ``name``, ``string``, ``mark`` or ``end``."""

    kind: str
    text: str
    place: Place

    def says(self, mark: str) -> bool:
        """Tells whether it is this mark."""
        return self.kind == "mark" and self.text == mark

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"'{self.text}'"


def tokenize(text: str) -> list[Token]:
    """Splits a formula; the last token is the end.

    Raises:
        FormulaSyntaxError: some character begins no token.
    """
    lines = [0, *(found.end() for found in re.finditer("\n", text))]
    tokens: list[Token] = []
    offset = _skip(text, 0)
    while offset < len(text):
        found = _TOKEN.match(text, offset)
        if found is None:
            wanted = "a value, a name or an operator"
            raise FormulaSyntaxError(f"expected {wanted}, found {text[offset]!r}", _locate(lines, offset))
        tokens.append(_token(found, _locate(lines, offset)))
        offset = _skip(text, found.end())
    return [*tokens, Token("end", "", _locate(lines, len(text)))]


def _locate(lines: list[int], offset: int) -> Place:
    line = bisect_right(lines, offset)
    return Place(line, offset - lines[line - 1] + 1)


def _skip(text: str, offset: int) -> int:
    blank = _BLANK.match(text, offset)
    return blank.end() if blank else offset


def _token(found: re.Match[str], place: Place) -> Token:
    kind, text = found.lastgroup or "", found[0]
    if kind == "number" and not math.isfinite(float(text)):
        raise FormulaSyntaxError("expected a number that a double can hold", place)
    return Token(kind, text, place)
