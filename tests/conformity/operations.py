"""The operations of the Batch data plane in API version 2025-06-01, one row each.

Columns of operations.txt: verb, path, method of azure-batch 15.1, status of success, what answers (``kind:model``),
model of the body (``?`` if it may be left out), conditional headers (``ETag``: all four; ``IMS``: the two dates), and
further query parameters. A dash stands for nothing.
Source: the Batch REST reference and the operations of azure-batch 15.1.
"""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Operation:
    """One row.

    Attributes:
        verb: the HTTP verb.
        path: with the names of its variable parts; the last may be ``{file*}``, which takes all that is left.
        name: the method of the official client.
        status: of a success.
        kind: ``list``, ``element``, ``created``, ``changed``, ``deleted``, ``exists`` or ``file``.
        model: name of the schema of the resource in the answer; empty if there is none.
        body: name of the schema of the request's body; empty if there is none.
        body_optional: whether the body may be left out.
        conditions: ``ETag``, ``IMS`` or empty.
        query: names of its query parameters beyond ``api-version`` and ``timeOut``.
    """

    verb: str
    path: str
    name: str
    status: int
    kind: str
    model: str
    body: str
    body_optional: bool
    conditions: str
    query: tuple[str, ...]

    def matches(self, verb: str, path: str) -> bool:
        """Tells whether a request is this operation's."""
        pattern = re.sub(r"{\w+(\*?)}", lambda found: ".+" if found[1] else "[^/]+", self.path)
        return verb == self.verb and re.fullmatch(pattern, path) is not None


def _read(row: str) -> Operation:
    verb, path, name, status, answer, body, conditions, *query = row.split()
    kind, _, model = answer.partition(":")
    return Operation(
        verb=verb,
        path=path,
        name=name,
        status=int(status),
        kind=kind,
        model=model,
        body=body.strip("-?"),
        body_optional=body.endswith("?"),
        conditions=conditions.strip("-"),
        query=tuple(query),
    )


OPERATIONS = tuple(_read(row) for row in Path(__file__).with_name("operations.txt").read_text().splitlines())


def find_operation(verb: str, path: str) -> Operation | None:
    """Returns the operation of a request, None if there is none."""
    return next((operation for operation in OPERATIONS if operation.matches(verb, path)), None)
