"""The results of a run on their way to its end: in a file, a line for each task as it becomes known."""

import os
import threading
import weakref
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, overload

from prefect_azure_batch.flows.results import ResultCounts, State, TaskResult
from prefect_azure_batch.tasks.errors import ResultsUnwritable

INDEX_NAME = "index.jsonl"

_CODES: dict[State, int] = {"succeeded": ord("+"), "failed": ord("!"), "skipped": ord("=")}


class TaskResults(Sequence[TaskResult]):
    """The results of a run's tasks in the order of their inputs, read from the index when they are looked at.

    The file stays readable when a later run has put another in its place.
    """

    def __init__(self, path: Path, places: "array[int]", sizes: "array[int]") -> None:
        """Takes the index, where in it the line of each task begins, and how long it is."""
        self._path, self._places, self._sizes = path, places, sizes
        self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._file)

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> TaskResult: ...
    @overload
    def __getitem__(self, number: slice) -> list[TaskResult]: ...
    def __getitem__(self, number: int | slice) -> TaskResult | list[TaskResult]:
        """The result of one task, or of several."""
        if isinstance(number, slice):
            return [self._read(*found) for found in zip(self._places[number], self._sizes[number], strict=True)]
        return self._read(self._places[number], self._sizes[number])

    def __iter__(self) -> Iterator[TaskResult]:
        """All, read as they are asked for."""
        return map(self._read, self._places, self._sizes)

    def __reduce__(self) -> tuple[type[list[TaskResult]], tuple[list[TaskResult]]]:
        """Elsewhere it is a list."""
        return list, (list(self),)

    def __eq__(self, other: object) -> bool:
        """Whether all results are the same."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """Says how many there are."""
        return f"<{len(self)} task results in {str(self._path)!r}>"

    def _read(self, place: int, size: int) -> TaskResult:
        return TaskResult.model_validate_json(os.pread(self._file, size, place))


class ResultIndex:
    """Writes ``index.jsonl``; tasks may end on several threads, in any order.

    Args:
        directory: of the results.
        size: number of tasks.

    Raises:
        ResultsUnwritable: the file cannot be written.
    """

    def __init__(self, directory: Path, size: int) -> None:
        self.directory = directory
        self._places, self._sizes, self._states = array("q", [0]) * size, array("l", [0]) * size, bytearray(size)
        self._lock = threading.Lock()
        with _writing(self._path):
            directory.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)  # not overwritten: the results of a run before may still be looked at
            self._file = self._path.open("wb")

    @property
    def _path(self) -> Path:
        return self.directory / INDEX_NAME

    def write(self, number: int, result: TaskResult) -> None:
        """Adds the result of a task.

        Args:
            number: of its input.
            result: how it fared.

        Raises:
            ResultsUnwritable: the file cannot be written.
        """
        with self._lock, _writing(self._path):
            place, line = self._file.tell(), f"{result.model_dump_json()}\n".encode()
            self._file.write(line)
            self._file.flush()
            self._places[number], self._sizes[number] = place, len(line)
            self._states[number] = _CODES[result.state]

    @property
    def counts(self) -> ResultCounts:
        """Tasks by how they ended."""
        return ResultCounts(**{state: self._states.count(code) for state, code in _CODES.items()})

    @property
    def tasks(self) -> TaskResults:
        """The results of all tasks, in the order of their inputs."""
        return TaskResults(self._path.absolute(), self._places, self._sizes)

    def __enter__(self) -> Self:
        """Gives the index itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._file.close()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultsUnwritable(f"Could not write {str(path)!r}: {error.strerror or error}.") from error
