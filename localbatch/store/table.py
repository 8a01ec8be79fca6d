"""Tables of SQLite whose rows are frozen dataclasses.

The one place where SQL is put together. Names of tables and columns come from the dataclasses and conditions from the
store; values are always bound.
"""

# ruff: noqa: S608  (see above: nothing that a client sends becomes part of a statement)

import dataclasses
import json
import sqlite3
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeAlias, TypeVar, Union, get_args, get_origin

Record = TypeVar("Record")
SqlValue: TypeAlias = "str | int | float | None"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SQL_TYPES: dict[object, str] = {int: "INTEGER", bool: "INTEGER", datetime: "INTEGER", float: "REAL", str: "TEXT"}


def to_sql(value: object) -> SqlValue:
    """Turns a value into what SQLite stores: a moment is microseconds since 1970, an object or a list is JSON."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MICROSECOND
    if value is None or isinstance(value, (str, int, float)):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _to_datetime(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value)


class Table(Generic[Record]):
    """The rows of one table.

    Args:
        connection: the database, in autocommit mode.
        kind: the dataclass of a row, with an integer field ``seq``, which is the table's key.
        name: the table's name.
        nocase: columns compared without regard to the case of ASCII letters.
        indexes: columns, or whole tails of ``CREATE INDEX``, by the index's name.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        kind: type[Record],
        name: str,
        *,
        nocase: tuple[str, ...] = (),
        indexes: dict[str, str],
    ) -> None:
        self._connection, self._kind, self.name = connection, kind, name
        # The types themselves, not strings: the modules of records don't postpone annotations.
        hints = {field.name: field.type for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
        self._columns = sorted(hints, key=lambda column: column != "seq")  # inherited ones stand before it
        kinds = [_base(hints[column]) for column in self._columns]
        self._decoders = [
            (column, _DECODERS[each]) for column, each in zip(self._columns, kinds, strict=True) if each in _DECODERS
        ]
        self._select = f"SELECT {', '.join(self._columns)} FROM {name}"
        self._insert = self._make_insert()
        definitions = (
            _define(column, each, column in nocase, type(None) in get_args(hints[column]))
            for column, each in zip(self._columns, kinds, strict=True)
        )
        connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(definitions)})")
        for index, columns in indexes.items():
            unique = "UNIQUE" if index.startswith("unique") else ""
            connection.execute(f"CREATE {unique} INDEX IF NOT EXISTS {name}_{index} ON {name} {columns}")

    def _make_insert(self) -> str:
        columns = self._columns[1:]
        return f"INSERT INTO {self.name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"

    def add(self, record: Record) -> Record:
        """Adds a row and returns it with its ``seq``.

        Raises:
            sqlite3.IntegrityError: a row with the same unique columns exists.
        """
        values = [to_sql(getattr(record, column)) for column in self._columns[1:]]
        return self._with(record, {"seq": self._connection.execute(self._insert, values).lastrowid})

    def change(self, record: Record, **changes: Any) -> Record:
        """Writes some fields of a row and returns the row with them."""
        columns = ", ".join(f"{column} = ?" for column in changes)
        values = [to_sql(value) for value in changes.values()]
        self._connection.execute(f"UPDATE {self.name} SET {columns} WHERE seq = ?", (*values, getattr(record, "seq")))  # noqa: B009
        return self._with(record, changes)

    def remove(self, seq: int) -> None:
        """Removes a row."""
        self._connection.execute(f"DELETE FROM {self.name} WHERE seq = ?", (seq,))

    def remove_where(self, condition: str, *values: SqlValue, limit: int) -> int:
        """Removes rows, at most so many, and returns how many they were."""
        statement = f"DELETE FROM {self.name} WHERE seq IN (SELECT seq FROM {self.name} WHERE {condition} LIMIT ?)"
        return self._connection.execute(statement, (*values, limit)).rowcount

    def get(self, seq: int) -> Record | None:
        """Returns the row with this key."""
        return self.first("seq = ?", seq)

    def first(self, condition: str, *values: SqlValue) -> Record | None:
        """Returns one row that meets a condition, None if there is none."""
        return next(self.where(condition, *values, limit=1), None)

    def where(self, condition: str, *values: SqlValue, limit: int = -1, by: str | None = None) -> Iterator[Record]:
        """Returns the rows that meet a condition, in the order in which they were added.

        Args:
            condition: in SQL, with question marks.
            values: the values for the question marks.
            limit: at most so many; -1 is all.
            by: name of the index to use, where the query planner can't know better.
        """
        forced = f" INDEXED BY {self.name}_{by}" if by else ""
        statement = f"{self._select}{forced} WHERE {condition} ORDER BY seq LIMIT ?"
        return map(self._decode, self._connection.execute(statement, (*values, limit)).fetchall())

    def newest(self, condition: str, *values: SqlValue, limit: int) -> Iterator[Record]:
        """Returns the rows that meet a condition, those that were added last first."""
        statement = f"{self._select} WHERE {condition} ORDER BY seq DESC LIMIT ?"
        return map(self._decode, self._connection.execute(statement, (*values, limit)).fetchall())

    def _decode(self, row: tuple[Any, ...]) -> Record:
        values = dict(zip(self._columns, row, strict=True))
        for column, decode in self._decoders:
            if values[column] is not None:
                values[column] = decode(values[column])
        return self._kind(**values)

    def _with(self, record: Record, changes: dict[str, Any]) -> Record:
        return dataclasses.replace(record, **changes)  # type: ignore[type-var]


_DECODERS: dict[object, Callable[[Any], object]] = {
    datetime: _to_datetime,
    bool: bool,
    dict: json.loads,
    list: json.loads,
}


def _base(hint: object) -> object:
    """Returns the plain type of an annotation: ``str`` of ``str | None``, ``dict`` of ``JsonObject``."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(each for each in get_args(hint) if each is not type(None))
    return get_origin(hint) or hint


def _define(column: str, kind: object, nocase: bool, nullable: bool) -> str:
    if column == "seq":
        # AUTOINCREMENT: the number of a removed row never comes back, so that a page goes on where it ended.
        return "seq INTEGER PRIMARY KEY AUTOINCREMENT"
    collation = " COLLATE NOCASE" if nocase else ""
    return f"{column} {_SQL_TYPES.get(kind, 'TEXT')}{'' if nullable else ' NOT NULL'}{collation}"
