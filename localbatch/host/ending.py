"""The wish of a signal to end this process, heard by those who wait for something.

A handler that raised an error would tear apart whatever runs at that moment, such as the start of a child before
anybody knows its process id. So the handler only notes the wish: waiting ends at once, work goes on to its next wait.
"""

import contextlib
import os
import selectors
import signal
import time
from types import FrameType
from typing import IO


class Stopped(BaseException):
    """The process is to end, and was waiting for something."""


class Ending:
    """Whether this process is to end.

    Attributes:
        requested: whether a signal has asked for it.
    """

    def __init__(self) -> None:
        self.requested = False
        self._bell: tuple[int, int] | None = None

    def listen(self) -> None:
        """From now on SIGTERM and SIGINT, and the end of the terminal, ask for the end. Only in the main thread."""
        self._bell = os.pipe()
        for end in self._bell:
            os.set_blocking(end, False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)
        # A terminal that is closed ends it too, unless it was started by nohup.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._bell is not None:
            # A full pipe has rung before.
            with contextlib.suppress(BlockingIOError):
                os.write(self._bell[1], b"!")

    def check(self) -> None:
        """Raises Stopped if the end was asked for."""
        if self.requested:
            raise Stopped

    def wait(self, seconds: float, stream: IO[bytes] | None = None) -> bool:
        """Waits.

        Args:
            seconds: how long at most.
            stream: what may be read from sooner.

        Returns:
            Whether the stream can be read.

        Raises:
            Stopped: the end was asked for.
        """
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            if self._bell is not None:
                selector.register(self._bell[0], selectors.EVENT_READ)
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ)
            self.check()
            ready = selector.select(max(0.0, deadline - time.monotonic()))
        self.check()
        return bool(ready)


ENDING = Ending()
"""The wish to end this process; nobody has it before ``listen`` was called."""
