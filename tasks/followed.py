"""The two streams of a task that is followed, read from wherever they lie and told line by line."""

from collections.abc import Callable, Iterator
from datetime import datetime

from prefect_azure_batch.tasks.following import Limiter, Stream, left_out
from prefect_azure_batch.tasks.records import TaskEnd
from prefect_azure_batch.tasks.stream_files import STREAMS, StreamFiles
from prefect_azure_batch.tasks.task_directory import STDERR

Attempt = tuple[str, datetime | None]
"""Node and beginning of an attempt, as ``SeenTask`` tells them."""


class Followed:
    """One task, or one node of a multi-instance task.

    Attributes:
        name: what its lines begin with.
        is_over: whether its streams have been read to their ends.
        requests: how many have been made for it.
    """

    def __init__(self, name: str, kept: str, sharing: int, clock: Callable[[], float]) -> None:
        """Takes its name, where its streams are kept, how many share what is shown a second, and a clock."""
        self.name, self.is_over, self.requests = name, False, 0
        self._kept = kept
        self._attempt: Attempt | None = None
        self._is_ahead = False  # the next attempt was seen by its files before anybody has told of it
        self._streams = {stream: Stream() for stream in STREAMS}
        self._limiters = {stream: Limiter(sharing, clock) for stream in STREAMS}

    def begin(self, attempt: Attempt) -> Iterator[str]:
        """Begins the streams anew if this is another attempt than before, and says so."""
        if self._attempt not in (None, attempt, (attempt[0], None)):
            if not self._is_ahead:
                yield self._begin_again()
            self._is_ahead = False
        self._attempt = attempt

    def read(self, files: StreamFiles) -> Iterator[str]:
        """Reads what has come to its streams; gives the lines to show.

        Raises:
            AzureError: the service refused or failed a request.
        """
        self.requests += 1
        sizes = files.sizes()
        if any(size < self._streams[name].position for name, size in sizes.items()):
            yield self._begin_again()
            self._is_ahead = True
        yield from self._read(files, sizes)

    def finish(self, *places: StreamFiles) -> Iterator[str]:
        """Reads its streams to their ends, from the first place that has them; gives the last lines to show.

        Raises:
            AzureError: the service refused or failed a request.
        """
        self.is_over = True
        for files in places:
            self.requests += 1
            if sizes := files.sizes():
                yield from self._read(files, sizes)
                break
        for name, stream in self._streams.items():
            yield from self._shown(name, stream.end(), 0)

    def _begin_again(self) -> str:
        self._streams = {stream: Stream() for stream in STREAMS}
        return f"{self.name}: Batch runs it again, from its beginning."

    def _read(self, files: StreamFiles, sizes: dict[str, int]) -> Iterator[str]:
        for name, stream in self._streams.items():
            if span := stream.span(sizes.get(name, 0)):
                begin, end, unread = span
                self.requests += 1
                yield from self._shown(name, stream.take(files.read(name, begin, end)), unread)

    def _shown(self, name: str, lines: list[str], unread: int) -> Iterator[str]:
        prefix = f"{self.name} stderr |" if name == STDERR else f"{self.name} |"
        too_many = len(lines) - self._limiters[name].allow(len(lines))
        if too_many or unread:
            yield f"{prefix} {left_out(too_many, unread, f'{self._kept}/{name}')}"
        yield from (f"{prefix} {line}" for line in lines[too_many:])


def describe_end(name: str, end: TaskEnd) -> str:
    """How a task has ended, in a line."""
    if not end.succeeded:
        code = "" if end.exit_code is None else f" with exit code {end.exit_code}"
        return f"{name}: failed{code}. {end.failure}"
    seconds = f" after {(end.ended - end.started).total_seconds():.0f} s" if end.started and end.ended else ""
    return f"{name}: ended with exit code {end.exit_code}{seconds}."
