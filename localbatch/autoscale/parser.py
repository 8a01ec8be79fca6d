"""The grammar: tokens in, statements out.

    formula    = statement *( ";" statement ) [ ";" ]
    statement  = [ variable "=" ] expression
    expression = operation [ "?" expression ":" expression ]
    operation  = unary *( operator unary )
    unary      = *( "-" | "!" ) postfix
    postfix    = primary *( "." member [ "(" arguments ")" ] )
    primary    = number | string | name | name "(" arguments ")" | "(" expression ")" | "[" arguments "]"

Operators bind as in C: ``||``, ``&&``, ``== !=``, ``< <= >= >``, ``+ -``, ``* /``, from loose to tight.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from localbatch.autoscale.errors import FormulaSyntaxError, FormulaTooLongError
from localbatch.autoscale.functions import FUNCTIONS
from localbatch.autoscale.lexer import Token, tokenize
from localbatch.autoscale.names import METHODS, READ_ONLY
from localbatch.autoscale.syntax import (
    Assignment,
    Call,
    Chain,
    Choice,
    Expression,
    Member,
    MethodCall,
    Name,
    Number,
    Operation,
    Statement,
    Text,
    Unary,
    Vector,
)
from localbatch.autoscale.timestamps import MEMBERS

LONGEST = 8192
MOST_STATEMENTS = 100
DEEPEST = 64
"""Deeper nesting than any person writes would overflow the stack of parser and evaluation."""

_BINDING = {
    operator: level
    for level, operators in enumerate(("||", "&&", "== !=", "< <= >= >", "+ -", "* /"))
    for operator in operators.split()
}


def parse(text: str) -> tuple[Statement, ...]:
    """Reads a formula.

    Raises:
        FormulaTooLongError: it has more than 8192 characters or more than 100 statements.
        FormulaSyntaxError: it can't be read, or it names functions or methods that there are not.
    """
    if len(text) > LONGEST:
        raise FormulaTooLongError(f"expected at most {LONGEST} characters, found {len(text)}")
    return _Parser(tokenize(text)).formula()


class _Parser:
    """Recursive descent over a list of tokens whose last is the end."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._next, self._depth = tokens, 0, 0

    def formula(self) -> tuple[Statement, ...]:
        statements: list[Statement] = []
        while self._peek().kind != "end":
            if self._take(";") is None:
                statements.append(self._statement())
                self._end_statement()
            if len(statements) > MOST_STATEMENTS:
                raise FormulaTooLongError(f"expected at most {MOST_STATEMENTS} statements", statements[-1].place)
        if not statements:
            raise self._complaint("a statement")
        return tuple(statements)

    def _end_statement(self) -> None:
        if self._take(";") is None and self._peek().kind != "end":
            raise self._complaint("an operator or ';'")

    def _statement(self) -> Statement:
        token = self._peek()
        if token.kind != "name" or not self._tokens[self._next + 1].says("="):
            return self._expression()
        if token.text in READ_ONLY:
            raise FormulaSyntaxError(f"expected a variable that can be set, found {token}", token.place)
        self._next += 2
        return Assignment(token.text, self._expression(), token.place)

    def _expression(self) -> Expression:
        with self._deeper():
            condition = self._operation(0)
            mark = self._take("?")
            if mark is None:
                return condition
            yes = self._expression()
            self._expect(":")
            return Choice(condition, yes, self._expression(), mark.place)

    def _operation(self, loosest: int) -> Expression:
        left = self._unary()
        while (level := self._level()) >= loosest:
            left = self._chain(left, level)
        return left

    def _chain(self, first: Expression, level: int) -> Chain:
        rest = []
        with self._deeper():
            while self._level() == level:
                operator = self._advance()
                rest.append(Operation(operator.text, self._operation(level + 1), operator.place))
        return Chain(first, tuple(rest), first.place)

    def _level(self) -> int:
        token = self._peek()
        return _BINDING.get(token.text, -1) if token.kind == "mark" else -1

    def _unary(self) -> Expression:
        operator = self._take("-") or self._take("!")
        if operator is None:
            return self._postfix()
        with self._deeper():
            return Unary(operator.text, self._unary(), operator.place)

    def _postfix(self) -> Expression:
        owner = self._primary()
        for _ in range(DEEPEST):
            if self._take(".") is None:
                return owner
            owner = self._member(owner)
        raise FormulaSyntaxError(f"expected members at most {DEEPEST} deep", owner.place)

    def _member(self, owner: Expression) -> Expression:
        name = self._peek()
        if name.kind != "name":
            raise self._complaint("a member or a method")
        self._next += 1
        opening = self._take("(")
        known = MEMBERS if opening is None else METHODS
        if name.text not in known:
            raise FormulaSyntaxError(f"expected one of {', '.join(known)}, found {name}", name.place)
        if opening is None:
            return Member(owner, name.text, name.place)
        return MethodCall(owner, name.text, self._list(")"), opening.place)

    def _primary(self) -> Expression:
        token = self._advance()
        match token.kind:
            case "number":
                return Number(float(token.text), token.place)
            case "string":
                return Text(token.text[1:-1], token.place)
            case "name" if self._take("("):
                return self._call(token)
            case "name":
                return Name(token.text, token.place)
        if token.says("["):
            return Vector(self._list("]"), token.place)
        if token.says("("):
            inner = self._expression()
            self._expect(")")
            return inner
        self._next -= 1
        raise self._complaint("a value")

    def _call(self, name: Token) -> Call:
        if name.text not in FUNCTIONS:
            raise FormulaSyntaxError(f"expected a function ({', '.join(sorted(FUNCTIONS))}), found {name}", name.place)
        return Call(name.text, self._list(")"), name.place)

    def _list(self, closing: str) -> tuple[Expression, ...]:
        if self._take(closing):
            return ()
        items = [self._expression()]
        while self._take(","):
            items.append(self._expression())
        self._expect(closing)
        return tuple(items)

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._peek()
        if token.kind == "end":
            raise self._complaint("a value")
        self._next += 1
        return token

    def _take(self, mark: str) -> Token | None:
        token = self._peek()
        if not token.says(mark):
            return None
        self._next += 1
        return token

    def _expect(self, mark: str) -> None:
        if self._take(mark) is None:
            raise self._complaint(f"'{mark}'")

    def _complaint(self, wanted: str) -> FormulaSyntaxError:
        token = self._peek()
        return FormulaSyntaxError(f"expected {wanted}, found {token}", token.place)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FormulaSyntaxError(f"expected expressions nested at most {DEEPEST} deep", self._peek().place)
        yield
        self._depth -= 1
