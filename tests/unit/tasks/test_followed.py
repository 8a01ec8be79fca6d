"""The streams of a task that is followed, told line by line."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from prefect_azure_batch.tasks.followed import Followed, describe_end
from prefect_azure_batch.tasks.records import TaskEnd
from prefect_azure_batch.tasks.task_directory import STDERR, STDOUT

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Files:
    """A place where streams lie: in this process."""

    contents: dict[str, bytes] = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        return {name: len(content) for name, content in self.contents.items()}

    def read(self, name: str, begin: int, end: int) -> bytes:
        return self.contents[name][begin:end]


def followed() -> Followed:
    return Followed("a.txt", "az://c/f/logs", 1, lambda: 0.0)


def told(lines: Iterator[str]) -> list[str]:
    return list(lines)


def test_lines_are_told_once_and_the_last_one_at_the_end() -> None:
    task, node = followed(), Files()
    assert told(task.read(node)) == []
    node.contents = {STDOUT: b"one\ntwo\nthr", STDERR: b"oh\n"}
    assert told(task.read(node)) == ["a.txt | one", "a.txt | two", "a.txt stderr | oh"]
    assert told(task.read(node)) == []
    node.contents[STDOUT] += b"ee\nlast"
    assert told(task.read(node)) == ["a.txt | three"]
    assert task.requests == 7
    storage = Files({STDOUT: node.contents[STDOUT] + b" words", STDERR: b"oh\n"})
    assert told(task.finish(storage, node)) == ["a.txt | last words"]
    assert task.is_over


def test_where_storage_has_nothing_the_rest_is_read_from_the_node() -> None:
    task = followed()
    assert told(task.finish(Files(), Files({STDOUT: b"short"}))) == ["a.txt | short"]
    assert told(followed().finish(Files(), Files())) == []


def test_another_attempt_is_told_and_read_from_its_beginning() -> None:
    task, node = followed(), Files({STDOUT: b"of the first\nhalf"})
    assert told(task.begin(("node-1", None))) == []
    first, second = ("node-1", BEGIN), ("node-2", BEGIN + timedelta(minutes=1))
    assert told(task.begin(first)) == []
    assert told(task.read(node)) == ["a.txt | of the first"]
    assert told(task.begin(first)) == []
    assert told(task.begin(second)) == ["a.txt: Batch runs it again, from its beginning."]
    assert told(task.read(Files({STDOUT: b"of the second\n"}))) == ["a.txt | of the second"]


def test_another_attempt_is_known_by_its_files_before_anybody_tells_of_it() -> None:
    task = followed()
    assert told(task.begin(("node", BEGIN))) == []
    assert told(task.read(Files({STDOUT: b"of the first\n"}))) == ["a.txt | of the first"]
    node = Files({STDOUT: b"2nd\n", STDERR: b"oh\n"})
    again = "a.txt: Batch runs it again, from its beginning."
    assert told(task.read(node)) == [again, "a.txt | 2nd", "a.txt stderr | oh"]
    assert told(task.begin(("node", BEGIN + timedelta(minutes=1)))) == []
    assert told(task.read(node)) == []
    assert told(task.begin(("node", BEGIN + timedelta(minutes=2)))) == [again]


def test_too_many_lines_are_counted_and_the_last_of_them_told() -> None:
    content = b"".join(b"%d\n" % number for number in range(1, 1001))
    lines = told(followed().read(Files({STDERR: content})))
    assert lines[0] == "a.txt stderr | … 800 lines left out; the whole is kept in az://c/f/logs/stderr.txt"
    assert lines[1:] == [f"a.txt stderr | {number}" for number in range(801, 1001)]


def test_what_was_not_read_is_counted_in_bytes() -> None:
    node = Files({STDOUT: b"x" * 100_000 + b"\nlast\n"})
    assert told(followed().read(node)) == [
        "a.txt | … 34.5 kB left out; the whole is kept in az://c/f/logs/stdout.txt",
        "a.txt | last",
    ]


def test_how_a_task_has_ended_is_a_line() -> None:
    well = TaskEnd(True, 0, "", "node", BEGIN, BEGIN + timedelta(seconds=90))
    assert describe_end("a.txt", well) == "a.txt: ended with exit code 0 after 90 s."
    ill = TaskEnd(False, 3, "FailureExitCode: it did.", "node", BEGIN, BEGIN)
    assert describe_end("a.txt", ill) == "a.txt: failed with exit code 3. FailureExitCode: it did."
    assert describe_end("a.txt", TaskEnd(False, None, "BlobNotFound: gone.", "", None, None)) == (
        "a.txt: failed. BlobNotFound: gone."
    )
