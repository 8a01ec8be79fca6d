"""The grammar of ``$filter``: text in, a small tree out. What a list lets a filter name is the business of ``filters``.

    expression  = conjunction *( "or" conjunction )
    conjunction = primary *( "and" primary )
    primary     = "(" expression ")" | comparison | "startswith" "(" property "," string ")"
    comparison  = property operator literal
    literal     = 'text' | DateTime'2011-05-08T08:49:37Z' | true | false | whole number

``and``, ``or``, the operators and ``DateTime`` are read in any case; a quote within a text is written twice.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from localbatch.wire.formats import parse_time

OPERATORS = ("eq", "ne", "ge", "gt", "le", "lt")

Operand: TypeAlias = str | bool | int | datetime

# Deeper nesting than any person writes would overflow the stack of parser and predicate.
_DEEPEST = 50

_TOKEN = re.compile(
    r"(?P<mark>[(),])"
    r"|(?i:(?P<prefix>datetime))?'(?P<text>(?:[^']|'')*)'"
    r"|(?P<number>-?[0-9]{1,18})(?![\w.])"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_/]*)"
)
_SPACE = re.compile(r"\s*")


class FilterSyntaxError(Exception):
    """A filter can't be read; the message says where and why."""


@dataclass(frozen=True)
class Comparison:
    """``property operator operand``; the operator is one of ``OPERATORS`` or ``startswith``."""

    property: str
    operator: str
    operand: Operand


@dataclass(frozen=True)
class Conjunction:
    """All of its parts hold."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True)
class Disjunction:
    """One of its parts holds."""

    parts: tuple["Expression", ...]


Expression: TypeAlias = Comparison | Conjunction | Disjunction


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    place: int

    def says(self, word: str) -> bool:
        return self.kind in ("word", "mark") and self.text.lower() == word


def parse(text: str) -> Expression:
    """Reads a filter.

    Raises:
        FilterSyntaxError: the text is not a filter.
    """
    parser = _Parser(_tokens(text))
    expression = parser.expression(depth=0)
    parser.expect_end()
    return expression


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = _next_place(text, 0)
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise FilterSyntaxError(f"position {place} holds nothing that a filter may hold")
        tokens.append(_token(found))
        place = _next_place(text, found.end())
    tokens.append(_Token("end", "the end", place))
    return tokens


def _next_place(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return space.end() if space else place


def _token(found: re.Match[str]) -> _Token:
    if found["text"] is not None:
        return _Token("time" if found["prefix"] else "text", found["text"].replace("''", "'"), found.start())
    return _Token(found.lastgroup or "", found[0], found.start())


class _Parser:
    """Recursive descent over a list of tokens whose last is the end."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def expression(self, depth: int) -> Expression:
        parts = [self._conjunction(depth)]
        while self._take("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else Disjunction(tuple(parts))

    def expect_end(self) -> None:
        if self._peek().kind != "end":
            raise self._complaint("'and', 'or' or the end")

    def _conjunction(self, depth: int) -> Expression:
        parts = [self._primary(depth)]
        while self._take("and"):
            parts.append(self._primary(depth))
        return parts[0] if len(parts) == 1 else Conjunction(tuple(parts))

    def _primary(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise FilterSyntaxError(f"parentheses are nested more than {_DEEPEST} deep")
        if self._take("("):
            inner = self.expression(depth + 1)
            self._expect(")")
            return inner
        name = self._word("a property or 'startswith'")
        if name.lower() == "startswith" and self._take("("):
            return self._startswith()
        operator = self._word(f"one of the operators {' '.join(OPERATORS)}").lower()
        if operator not in OPERATORS:
            raise FilterSyntaxError(f"{operator!r} is not one of the operators {' '.join(OPERATORS)}")
        return Comparison(name, operator, self._operand())

    def _startswith(self) -> Comparison:
        name = self._word("a property")
        self._expect(",")
        token = self._peek()
        if token.kind != "text":
            raise self._complaint("a text in quotes")
        self._next += 1
        self._expect(")")
        return Comparison(name, "startswith", token.text)

    def _operand(self) -> Operand:
        token = self._peek()
        self._next += 1
        match token.kind:
            case "text":
                return token.text
            case "number":
                return int(token.text)
            case "time":
                try:
                    return parse_time(token.text)
                except ValueError as error:
                    raise FilterSyntaxError(str(error)) from error
            case "word" if token.text.lower() in ("true", "false"):
                return token.text.lower() == "true"
        self._next -= 1
        raise self._complaint("a value: 'text', DateTime'...', true, false or a whole number")

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, word: str) -> bool:
        if not self._peek().says(word):
            return False
        self._next += 1
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self._complaint(f"'{mark}'")

    def _word(self, wanted: str) -> str:
        token = self._peek()
        if token.kind != "word":
            raise self._complaint(wanted)
        self._next += 1
        return token.text

    def _complaint(self, wanted: str) -> FilterSyntaxError:
        token = self._peek()
        return FilterSyntaxError(f"position {token.place} holds {token.text!r} instead of {wanted}")
