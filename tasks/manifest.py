"""The manifest of a run: its inputs in order, and what has become of each, in a file and not in memory.

The file is a database without a name, so that nothing is left of it however the process ends. All threads of a run
share it; each has a few of its rows at a time.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import BadInput, JobEnded
from prefect_azure_batch.tasks.identity import with_version
from prefect_azure_batch.tasks.inputs import FoundInput, complaint_about_twins
from prefect_azure_batch.tasks.ledger import Outcome
from prefect_azure_batch.tasks.output_files import added_task
from prefect_azure_batch.tasks.records import AddedTask, EndedTask, InputItem, Place, Run, TaskEnd, Values

AT_ONCE = 200
"""So many inputs at most are in memory at a time for each batch that is worked on."""

OURS, DONE = -1, -2
"""Who does an input: this run, or a run that has done it already. Other runs have numbers from 0."""

_WAITING, _ENDED, _REPORTED = range(3)

_SCHEMA = f"""
PRAGMA cache_size = -8000;
PRAGMA synchronous = OFF;
CREATE TABLE found (
    pattern INTEGER, identity TEXT, label TEXT, name TEXT, path TEXT, container TEXT, blob TEXT, etag TEXT,
    url TEXT, version TEXT, parameters TEXT, turn INTEGER, words TEXT
);
CREATE TABLE inputs (
    number INTEGER PRIMARY KEY, label TEXT, name TEXT, path TEXT, container TEXT, blob TEXT, etag TEXT,
    url TEXT, version TEXT DEFAULT '', parameters TEXT DEFAULT '', changed INTEGER, size INTEGER,
    twin INTEGER DEFAULT 0, task_id TEXT, source INTEGER DEFAULT {OURS}, place INTEGER, batch INTEGER,
    state INTEGER DEFAULT {_WAITING}, ended TEXT, outcome TEXT
);
"""
_SORT = """
INSERT INTO inputs (number, label, name, path, container, blob, etag, url, version, parameters)
SELECT row_number() OVER (ORDER BY pattern, label, turn) - 1, label || words, name, path, container, blob, etag, url,
    version, parameters FROM found
"""
_TWO_NAMES = """
SELECT min(label), max(label) FROM found GROUP BY identity HAVING count(*) > 1 ORDER BY min(label) LIMIT 1
"""
COUNT_TWINS = """
UPDATE inputs SET twin = counted.twin FROM (
    SELECT number, row_number() OVER (PARTITION BY name, version, parameters ORDER BY number) - 1 AS twin FROM inputs
) AS counted WHERE inputs.number = counted.number AND counted.twin > 0
"""
_CUT = """
UPDATE inputs SET batch = :first + ranked.rank / :size FROM (
    SELECT number, row_number() OVER (ORDER BY number) - 1 AS rank FROM inputs WHERE source = :source AND state < 2
) AS ranked WHERE inputs.number = ranked.number
"""

_ENDS = TypeAdapter(TaskEnd)
_OUTCOMES = TypeAdapter(Outcome)
_EARLIEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Batch:
    """Inputs that go through the stages together: a slice of a manifest.

    Attributes:
        number: of the batch.
        size: how many inputs it has.
        label: what a person calls it.
        source: who does them.
    """

    number: int
    size: int
    label: str
    source: int = OURS


class Manifest:
    """Inputs, numbered from 0, and for each the task that is made for it."""

    def __init__(self) -> None:
        """Makes an empty one."""
        self._lock = threading.RLock()
        # No name: a temporary file that is gone from its directory as soon as it is there.
        self._rows = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._rows.executescript(_SCHEMA)
        self._waiting: dict[int, int] = {}
        self._ready: dict[int, int] = {}
        self._strangers: set[tuple[int, str]] = set()
        self._is_abandoned = False

    @classmethod
    def of_inputs(cls, found: Iterable[FoundInput]) -> "Manifest":
        """The manifest of what was found.

        Args:
            found: inputs in any order; they are sorted by pattern and name.

        Raises:
            BadInput: an input was found twice, or its file cannot be read.
        """
        self = cls()
        self._find(found)
        self._rows.execute(_SORT)
        self._rows.execute("DROP TABLE found")
        self._identify()
        self._rows.execute(COUNT_TWINS)
        return self

    def _find(self, found: Iterable[FoundInput]) -> None:
        rows = (
            (each.pattern, each.identity, each.item.label, each.item.name, each.item.path and str(each.item.path),
             each.item.container, each.item.blob, each.item.etag, each.item.url, each.item.version, *_parameters(each))
            for each in found
        )  # fmt: skip
        with self._changing() as cursor:
            cursor.executemany("INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            if twins := cursor.execute(_TWO_NAMES).fetchone():
                raise BadInput(complaint_about_twins(*twins))

    @classmethod
    def of_tasks(cls, tasks: Iterable[tuple[str, str]], first: int = 0) -> "Manifest":
        """The manifest of tasks that are known by their ids, whatever their inputs.

        Args:
            tasks: ids, and what a person calls them.
            first: number of the first.
        """
        self = cls()
        with self._changing() as cursor:
            cursor.executemany("INSERT INTO inputs (task_id, label, number) VALUES (?, ?, ?)",
                                ((*task, number) for number, task in enumerate(tasks, start=first)))  # fmt: skip
        self._index()
        return self

    def _identify(self, table: str = "inputs") -> None:
        for items in self._items("1", table):
            known = transfer.each(with_version, items)
            with self._changing() as cursor:
                cursor.executemany(
                    f"UPDATE {table} SET version = ?, changed = ?, size = ? WHERE number = ?",
                    ((item.version, *(item.stamp or (None, None)), item.index) for item in known),
                )

    def name_tasks(self, name: Callable[[InputItem], str]) -> None:
        """Gives each input's task its id."""
        for items in self._items("1"):
            with self._changing() as cursor:
                cursor.executemany(
                    "UPDATE inputs SET task_id = ? WHERE number = ?", ((name(item), item.index) for item in items)
                )
        self._index()

    def _index(self) -> None:
        self._rows.execute("CREATE UNIQUE INDEX by_task ON inputs (task_id)")
        self._rows.execute("CREATE INDEX by_batch ON inputs (batch, number)")

    # Who does what.

    def mark_done(self, outcomes: Iterable[Outcome]) -> None:
        """Notes which inputs need not be done, for they have been; the last success of each counts."""
        for some in transfer.some_at_a_time(outcomes, AT_ONCE):
            with self._changing() as cursor:
                for outcome in some:
                    known = cursor.execute(
                        "SELECT outcome FROM inputs WHERE task_id = ?", (outcome.task_id,)
                    ).fetchone()
                    if known and (known[0] is None or _moment(outcome) > _moment(_OUTCOMES.validate_json(known[0]))):
                        self._set_outcome(outcome, DONE)

    def done(self) -> Iterator[list[Outcome]]:
        """How those fared that earlier runs have done, some at a time."""
        for rows in self._read("outcome", f"source = {DONE}"):
            yield [_OUTCOMES.validate_json(outcome) for _, outcome in rows]

    def mark_lost(self, task_ids: Iterable[str]) -> None:
        """Notes which of those have to be done again."""
        with self._changing() as cursor:
            cursor.executemany(
                f"UPDATE inputs SET source = {OURS}, state = {_WAITING}, outcome = NULL WHERE task_id = ?",
                [(task_id,) for task_id in task_ids],
            )

    def mark_found(self, source: int, tasks: Iterable[tuple[str, int]]) -> int:
        """Notes which inputs another run is doing.

        Args:
            source: number of that run.
            tasks: ids, and their places among that run's inputs.

        Returns:
            How many of them are wanted here.
        """
        for some in transfer.some_at_a_time(tasks, AT_ONCE):
            with self._changing() as cursor:
                cursor.executemany(
                    f"UPDATE inputs SET source = ?, place = ? WHERE task_id = ? AND source = {OURS}",
                    [(source, place, task_id) for task_id, place in some],
                )
        return self.count(source)

    def mark_outcome(self, outcome: Outcome) -> None:
        """Notes how an input fared that another run was doing; what is ours stays so, though another does it, too."""
        with self._changing() as cursor:
            known = cursor.execute("SELECT source FROM inputs WHERE task_id = ?", (outcome.task_id,)).fetchone()
            if known and known[0] != OURS:
                self._set_outcome(outcome, None)

    def _set_outcome(self, outcome: Outcome, source: int | None) -> None:
        text = _OUTCOMES.dump_json(outcome).decode()
        self._end(outcome.task_id, "outcome = ?, source = coalesce(?, source)", (text, source), replace=source == DONE)

    def count(self, source: int | None = None) -> int:
        """Number of inputs: of all, or of those that are done by one."""
        where = "1" if source is None else f"source = {source}"
        with self._lock:
            return int(self._rows.execute(f"SELECT count(*) FROM inputs WHERE {where}").fetchone()[0])

    def places(self, runs: Mapping[int, Run]) -> Iterator[list[tuple[Place, str]]]:
        """Where what the tasks keep lies or will lie, and the ids of those that are ours; some at a time.

        Args:
            runs: who does what is not done, by their numbers. It has no result yet.
        """
        for rows in self._read("source, coalesce(place, number), label, task_id, outcome", "1"):
            yield [(_place(runs, *row[1:]), row[4] if row[1] == OURS else "") for row in rows]

    def label_of_name(self, names: Iterable[str]) -> str | None:
        """What a person calls the first input that has one of these file names; None if none has."""
        wanted = list(names)
        marks = ", ".join("?" * len(wanted))
        query = f"SELECT label FROM inputs WHERE name IN ({marks}) AND coalesce(path, blob, url) IS NOT NULL LIMIT 1"
        with self._lock:
            row = self._rows.execute(query, wanted).fetchone()
        return row[0] if row else None

    # Batches.

    def batches(self, source: int, size: int) -> list[Batch]:
        """Cuts what one does, and what has no result yet, into batches of so many inputs at most."""
        with self._changing() as cursor:
            first = 1 + (cursor.execute("SELECT max(batch) FROM inputs").fetchone()[0] or 0)
            cursor.execute(_CUT, {"first": first, "size": size, "source": source})
            rows = cursor.execute(
                "SELECT batch, count(*), sum(state), min(number), max(number), min(label) FROM inputs WHERE batch >= ? "
                "GROUP BY batch ORDER BY batch",
                (first,),
            ).fetchall()
        for number, size, ended, *_ in rows:
            self._waiting[number], self._ready[number] = size - ended, ended
        return [Batch(number, size, _label(size, *rest), source) for number, size, _, *rest in rows]

    def waiting(self, batch: Batch) -> int:
        """How many inputs of a batch have not ended."""
        return self._waiting[batch.number]

    def ready(self, batch: Batch) -> int:
        """How many of them have ended and have no result."""
        return self._ready[batch.number]

    def items(self, batch: Batch) -> Iterator[list[InputItem]]:
        """The inputs of a batch, some at a time."""
        return self._items(f"batch = {batch.number}")

    def files(self, batch: Batch) -> Iterator[list[InputItem]]:
        """The files of its inputs, some at a time."""
        return self.items(batch)

    def tasks(self, batch: Batch, run: Run) -> Iterator[list[AddedTask]]:
        """Their tasks in a run, some at a time."""
        for rows in self._read("coalesce(place, number), label, task_id", f"batch = {batch.number}"):
            yield [added_task(run, *row[1:]) for row in rows]

    def tasks_of(self, source: int, run: Run) -> Iterator[AddedTask]:
        """The tasks in a run of all that one does."""
        for rows in self._read("coalesce(place, number), label, task_id", f"source = {source}"):
            yield from (added_task(run, *row[1:]) for row in rows)

    def names(self) -> Iterator[tuple[str, str]]:
        """Labels and task ids of all inputs."""
        for rows in self._read("label, task_id", "1"):
            yield from ((label, task_id) for _, label, task_id in rows)

    def unreported(self, batch: Batch) -> Iterator[list[tuple[int, str, str]]]:
        """Numbers, labels and task ids of those that have no result, some at a time."""
        yield from self._read("label, task_id", f"batch = {batch.number} AND state < {_REPORTED}")

    def ended(self, batch: Batch, run: Run) -> Iterator[list[tuple[int, EndedTask]]]:
        """Those that have ended in a run and have no result, with the inputs' numbers, some at a time."""
        where = f"batch = {batch.number} AND state = {_ENDED} AND ended IS NOT NULL"
        for rows in self._read("coalesce(place, number), label, task_id, ended", where):
            yield [
                (number, EndedTask(**vars(added_task(run, place, label, task_id)), end=_ENDS.validate_json(end)))
                for number, place, label, task_id, end in rows
            ]

    def outcomes(self, batch: Batch) -> Iterator[list[tuple[int, str, Outcome]]]:
        """How those fared that others have done, with the inputs' numbers and labels, some at a time."""
        where = f"batch = {batch.number} AND state = {_ENDED} AND outcome IS NOT NULL"
        for rows in self._read("label, outcome", where):
            yield [(number, label, _OUTCOMES.validate_json(outcome)) for number, label, outcome in rows]

    def report(self, batch: Batch, numbers: Iterable[int]) -> None:
        """Notes that inputs of a batch have results."""
        with self._changing() as cursor:
            for number in numbers:
                ended = cursor.execute(f"SELECT state = {_ENDED} FROM inputs WHERE number = ?", (number,)).fetchone()[0]
                self._ready[batch.number] -= ended
                cursor.execute(
                    f"UPDATE inputs SET state = {_REPORTED}, ended = NULL, outcome = NULL WHERE number = ?", (number,)
                )

    def json_lines(self) -> Iterator[bytes]:
        """A line of JSON for each input, some at a time."""
        names = ("number", "input", "name", "version", "task_id")
        for rows in self._read("label, name, version, task_id", "1"):
            yield "".join(f"{json.dumps(dict(zip(names, row, strict=True)))}\n" for row in rows).encode()

    # Ends of tasks, as pollers bring them.

    def ends_of(self, source: int) -> "EndsOf":
        """Takes how tasks have ended in the job of one run."""
        return EndsOf(self, source)

    def add(self, ends: Mapping[str, TaskEnd], source: int) -> int:
        """Takes how tasks have ended in the job of a run; returns how many of them are new.

        Such a job may hold tasks that another run does now, as those that have failed in it.
        """
        new = 0
        with self._changing():
            for task_id, end in ends.items():
                is_new = self._end(task_id, "ended = ?", (_ENDS.dump_json(end).decode(),), source)
                if is_new is None:
                    is_new = (source, task_id) not in self._strangers
                    self._strangers.add((source, task_id))
                new += is_new
        return new

    def _end(
        self, task_id: str, what: str, values: tuple[object, ...], source: int | None = None, *, replace: bool = False
    ) -> bool | None:
        """Notes an end; tells whether it is news, or None if there is no such task, or it is another's to do."""
        row = self._rows.execute(
            "SELECT number, batch, state, source FROM inputs WHERE task_id = ?", (task_id,)
        ).fetchone()
        if row is None or source not in (None, row[3]):
            return None
        number, batch, state, _ = row
        if state != _WAITING and not replace:
            return False
        self._rows.execute(f"UPDATE inputs SET {what}, state = {_ENDED} WHERE number = ?", (*values, number))
        if batch is not None:
            self._waiting[batch] -= 1
            self._ready[batch] += 1
        return True

    def abandon(self) -> None:
        """Ends all that is being done to its inputs, as soon as the few are done that are in memory."""
        self._is_abandoned = True

    # The database.

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Cursor]:
        with self._lock, self._rows:
            self._rows.execute("BEGIN")
            yield self._rows.cursor()

    def _items(self, where: str, table: str = "inputs") -> Iterator[list[InputItem]]:
        columns = "label, name, path, container, blob, etag, url, version, changed, size, twin, parameters"
        for rows in self._read(columns, where, table):
            yield [_item(*row) for row in rows]

    def _read(self, columns: str, where: str, table: str = "inputs") -> Iterator[list[tuple[Any, ...]]]:
        """Rows in the order of the inputs, with their numbers in front; they may be changed meanwhile.

        Raises:
            JobEnded: the manifest was abandoned.
        """
        last = -1
        query = f"SELECT number, {columns} FROM {table} WHERE {where} AND number > ? ORDER BY number LIMIT {AT_ONCE}"
        while True:
            if self._is_abandoned:
                raise JobEnded("Nobody waits for what becomes of these inputs any more.")
            with self._lock:
                rows = self._rows.execute(query, (last,)).fetchall()
            if not rows:
                return
            yield rows
            last = rows[-1][0]


@dataclass(frozen=True)
class EndsOf:
    """Ends of tasks in the job of one run, on their way into a manifest."""

    manifest: Manifest
    source: int

    def add(self, ends: Mapping[str, TaskEnd]) -> int:
        """Takes how tasks have ended; returns how many of them are new."""
        return self.manifest.add(ends, self.source)


def _item(
    number: int,
    label: str,
    name: str,
    path: str | None,
    container: str | None,
    blob: str | None,
    etag: str,
    url: str | None,
    version: str,
    changed: int | None,
    size: int | None,
    twin: int,
    parameters: str,
) -> InputItem:
    stamp = None if changed is None or size is None else (changed, size)
    values = tuple((name, value) for name, value in json.loads(parameters)) if parameters else ()
    place = Path(path) if path else None
    return InputItem(number, label, name, place, container, blob, etag, version, stamp, twin, values, url)


def _place(runs: Mapping[int, Run], source: int, number: int, label: str, task_id: str, outcome: str | None) -> Place:
    if source == DONE:
        return _OUTCOMES.validate_json(outcome or "").place
    return Place(runs[source].outputs.container, added_task(runs[source], number, label, task_id).folder)


def _parameters(found: FoundInput) -> tuple[str, int, str]:
    """An input's values, their turn, and what they add to its label."""
    item = found.item
    return json.dumps(item.values) if item.values else "", found.turn, words_of(item.values) if item.is_file else ""


def words_of(values: Values) -> str:
    """What values add to the label of what they are for."""
    return "".join(f" {name}={value}" for name, value in values)


def _label(size: int, first: int, last: int, label: str) -> str:
    if size == 1:
        return label
    return f"{first + 1} to {last + 1}" if last - first + 1 == size else f"{size} inputs"


def _moment(outcome: Outcome) -> datetime:
    return outcome.ended or _EARLIEST
