"""The results of a run on their way to its end: in a file, a line for each task as it becomes known."""

import os
import tempfile
import threading
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self, overload

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.flows.results import ResultCounts, State, TaskResult
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import ResultsUnwritable, translated
from prefect_azure_batch.tasks.names import INDEX_NAME
from prefect_azure_batch.tasks.records import Place
from prefect_azure_batch.tasks.stage import stage

_CODES: dict[State, int] = {"succeeded": ord("+"), "failed": ord("!"), "skipped": ord("=")}


class TaskResults(Sequence[TaskResult]):
    """The results of a run's tasks in the order of their inputs, read from the index when they are looked at.

    The file stays readable when a later run has put another in its place.
    """

    def __init__(self, file: int, places: "array[int]", sizes: "array[int]") -> None:
        """Takes the index, which is closed by this, where in it the line of each task begins, and how long it is."""
        self._file, self._places, self._sizes = file, places, sizes
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
        return f"<{len(self)} task results>"

    def _read(self, place: int, size: int) -> TaskResult:
        return TaskResult.model_validate_json(os.pread(self._file, size, place))


class ResultIndex:
    """Writes ``index.jsonl``; tasks may end on several threads, in any order.

    Args:
        directory: of the results; None for a file that nobody else sees.
        size: number of tasks.
        since: from when on the time of tasks counts for this run.
        see: is shown each result as it is added.

    Attributes:
        tasks: the results of all tasks, in the order of their inputs; also when the file is closed.
        last_end: when the last of those ended that have run so far; None if none has.

    Raises:
        ResultsUnwritable: the file cannot be written.
    """

    def __init__(
        self,
        directory: Path | None,
        size: int,
        since: datetime | None = None,
        see: Callable[[TaskResult], object] = lambda result: None,
    ) -> None:
        self._see = see
        self._since, self._seconds = since, array("d", [0.0]) * size
        self._name = str(directory / INDEX_NAME) if directory else INDEX_NAME
        self._places, self._sizes, self._states = array("q", [0]) * size, array("I", [0]) * size, bytearray(size)
        self._lock = threading.Lock()
        self.last_end: datetime | None = None
        with _writing(self._name):
            self._file = _new_file(directory / INDEX_NAME) if directory else tempfile.TemporaryFile()  # noqa: SIM115
            self.tasks = TaskResults(os.dup(self._file.fileno()), self._places, self._sizes)

    def write(self, number: int, result: TaskResult) -> None:
        """Adds the result of a task.

        Args:
            number: of its input.
            result: how it fared.

        Raises:
            ResultsUnwritable: the file cannot be written.
        """
        with self._lock, _writing(self._name):
            place, line = self._file.tell(), f"{result.model_dump_json()}\n".encode()
            self._file.write(line)
            self._file.flush()
            self._places[number], self._sizes[number] = place, len(line)
            self._states[number] = _CODES[result.state]
            self._seconds[number] = seconds_of(result, self._since)
            if result.ended and (self.last_end is None or result.ended > self.last_end):
                self.last_end = result.ended
        self._see(result)

    @property
    def counts(self) -> ResultCounts:
        """Tasks by how they ended."""
        return ResultCounts(**{state: self._states.count(code) for state, code in _CODES.items()})

    @property
    def task_seconds(self) -> float:
        """Seconds that the tasks took which this run has seen run."""
        return sum(self._seconds)

    def __enter__(self) -> Self:
        """Gives the index itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the file."""
        self._file.close()


def store_index(storage: AzureStorageCredentials, index: ResultIndex, place: Place) -> None:
    """Uploads the index of results that stay in storage.

    Args:
        storage: the storage account.
        index: the index.
        place: takes ``index.jsonl``.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    with translated(f"store the index of the results in container {place.container!r}"):
        lines = (f"{task.model_dump_json()}\n".encode() for task in index.tasks)
        transfer.write_blob(storage.get_client(), place.container, f"{place.folder}/{INDEX_NAME}", lines)


def seconds_of(result: TaskResult, since: datetime | None) -> float:
    """Seconds that a task took, from a moment on; none of one that another run has run."""
    if result.state == "skipped" or result.started is None or result.ended is None:
        return 0.0
    return max(0.0, (result.ended - max(result.started, since or result.started)).total_seconds())


def _new_file(path: Path) -> IO[bytes]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # not overwritten: the results of a run before may still be looked at
    return path.open("w+b")


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResultsUnwritable(f"Could not write {path!r}: {error.strerror or error}.") from error


store_index_task = stage(store_index, name="Store index")
