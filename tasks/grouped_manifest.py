"""The manifest of a run whose tasks have several inputs each: groups in the place of inputs, and their members."""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Self

from prefect_azure_batch.tasks.groups import Grouping, check_number, group_version, placed_apart
from prefect_azure_batch.tasks.inputs import FoundInput
from prefect_azure_batch.tasks.manifest import AT_ONCE, COUNT_TWINS, Batch, Manifest, words_of
from prefect_azure_batch.tasks.records import InputItem, Values

_MEMBERS_AT_ONCE = 10 * AT_ONCE
# So many links are never more than one request takes.
_FEW_MEMBERS, _SHORT_LINKS = 300, 300_000

_FILES = "label, name, path, container, blob, etag, url, version"
_SCHEMA = """
ALTER TABLE inputs ADD COLUMN team INTEGER;
CREATE TABLE members (
    number INTEGER PRIMARY KEY, team INTEGER, label TEXT, name TEXT, path TEXT, container TEXT, blob TEXT, etag TEXT,
    url TEXT, version TEXT, changed INTEGER, size INTEGER, twin INTEGER DEFAULT 0, parameters TEXT DEFAULT '', lies TEXT
);
CREATE INDEX by_team ON members (team, number);
"""
_TEAM_BY_NUMBER = f"""
INSERT INTO members (number, team, {_FILES})
SELECT row_number() OVER turns - 1, (row_number() OVER turns - 1) / :size, {_FILES} FROM found
WINDOW turns AS (ORDER BY pattern, label)
"""
# A folder is what rtrim leaves, which takes off all that is no slash.
_TEAM_BY_FOLDER = f"""
WITH placed AS (SELECT pattern, {_FILES}, rtrim(label, replace(label, '/', '')) AS folder FROM found),
folders AS (
    SELECT folder, row_number() OVER (ORDER BY min(pattern), folder) - 1 AS team FROM placed GROUP BY folder
)
INSERT INTO members (number, team, {_FILES})
SELECT row_number() OVER (ORDER BY team, label) - 1, team, {_FILES} FROM placed JOIN folders USING (folder)
"""


class GroupedManifest(Manifest):
    """Groups of inputs, numbered from 0, and for each the task that is made for it."""

    @classmethod
    def of_groups(
        cls, found: Iterable[FoundInput], grouping: Grouping, values: Callable[[], Iterable[Values]] | None = None
    ) -> Self:
        """The manifest of what was found.

        Args:
            found: inputs in any order; they are sorted by pattern and name before they are put together.
            grouping: which of them go together.
            values: of parameters; there is a task for each group with each of them.

        Raises:
            BadInput: an input was found twice, or its file cannot be read; or a group cannot be.
        """
        self = cls()
        self._rows.executescript(_SCHEMA)
        self._find(found)
        with self._changing() as cursor:
            cursor.execute(*((_TEAM_BY_NUMBER, (grouping.size,)) if grouping.size else (_TEAM_BY_FOLDER,)))
            cursor.execute("DROP TABLE found")
        self._identify("members")
        self._put_together(grouping, values or (lambda: [()]))
        self._rows.execute(COUNT_TWINS)
        return self

    def _put_together(self, grouping: Grouping, values: Callable[[], Iterable[Values]]) -> None:
        """Gives the members of each group their places, and makes a task for it with each of the values."""
        numbers = itertools.count()
        for team in itertools.count():
            found = self._members(team)
            if not found:
                return
            members = placed_apart(found)
            known = (team, grouping.label(members), members[0].name, group_version(members))
            with self._changing() as cursor:
                cursor.executemany(
                    "UPDATE members SET lies = ? WHERE number = ?", ((each.place, each.index) for each in members)
                )
                cursor.executemany(
                    "INSERT INTO inputs (number, team, label, name, version, parameters) "
                    "VALUES (?1, ?2, ?3 || ?6, ?4, ?5, ?7)",
                    (
                        (number, *known, words_of(each), json.dumps(each) if each else "")
                        for each, number in zip(values(), numbers, strict=False)
                    ),
                )

    def _members(self, team: int) -> list[InputItem]:
        """The members of a group; none if there is no such group."""
        with self._lock:
            number, label = self._rows.execute(
                "SELECT count(*), min(label) FROM members WHERE team = ?", (team,)
            ).fetchone()
            check_number(number, label)
            places = dict(self._rows.execute("SELECT number, lies FROM members WHERE team = ?", (team,)))
        found = (item for items in self._items(f"team = {team}", "members") for item in items)
        return [replace(item, place=places[item.index] or "") for item in found]

    def items(self, batch: Batch) -> Iterator[list[InputItem]]:
        """The groups of a batch with their members, so many at a time that their members are not too many."""
        some, number = list[InputItem](), 0
        for rows in self._read("team", f"batch = {batch.number}"):
            teams = dict(rows)
            for item in next(self._items(f"batch = {batch.number} AND number >= {rows[0][0]}")):
                some.append(replace(item, members=tuple(self._members(teams[item.index]))))
                number += len(some[-1].members)
                if number >= _MEMBERS_AT_ONCE or len(some) >= AT_ONCE:
                    yield some
                    some, number = [], 0
        if some:
            yield some

    def files(self, batch: Batch) -> Iterator[list[InputItem]]:
        """The members of its groups, some at a time."""
        return self._items(f"team IN (SELECT team FROM inputs WHERE batch = {batch.number})", "members")

    def json_lines(self) -> Iterator[bytes]:
        """A line of JSON for each group, with the places and versions of its members."""
        names = ("number", "input", "name", "version", "task_id")
        for rows in self._read("label, name, version, task_id, team", "1"):
            for *row, team in rows:
                members = {item.place: item.version for item in self._members(team)}
                line = dict(zip(names, row, strict=True)) | {"members": members}
                yield f"{json.dumps(line)}\n".encode()

    def large_groups(self) -> Iterator[tuple[str, list[InputItem]]]:
        """Labels and members of the groups that may be too large for a request."""
        query = (
            "SELECT team FROM members GROUP BY team "
            f"HAVING count(*) > {_FEW_MEMBERS} OR sum(length(coalesce(url, ''))) > {_SHORT_LINKS}"
        )
        with self._lock:
            teams = self._rows.execute(query).fetchall()
        for (team,) in teams:
            with self._lock:
                (label,) = self._rows.execute("SELECT min(label) FROM inputs WHERE team = ?", (team,)).fetchone()
            yield label, self._members(team)
