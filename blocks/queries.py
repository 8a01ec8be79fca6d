"""Queries of links taken out of texts: they may hold signatures."""

import re
from collections.abc import Iterator

# A question mark with a name and a value behind it, up to where no address goes on.
_QUERY = re.compile(r"\?(?=[\w%.~-]+=)[^\s'\"<>)\]}]*")


def without_queries(text: str) -> str:
    """The text without the queries of the links in it, whole links or paths alone."""
    return _QUERY.sub("", text)


def safe_cause(error: BaseException) -> BaseException | None:
    """The error, to be kept as the cause of another; None if its text, or that of one of its own causes, holds a query.

    Whoever logs an error logs its causes too.
    """
    return None if any(without_queries(str(each)) != str(each) for each in _chain(error)) else error


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            pending += [each.__cause__, each.__context__]
