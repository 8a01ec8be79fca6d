"""How a run ends that is told to by a signal: once, whatever signals follow, and never amid its clean-up."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# From the signal to the clean-up, which nothing disturbs; waiting ends on the way there.
_ON_THE_WAY_SECONDS = 5.0
_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupted(KeyboardInterrupt):
    """A signal has come that ends the program."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Has SIGINT, SIGTERM and SIGHUP end what runs inside in the same way, by ``Interrupted``.

    Those that the program was started to ignore, as ``nohup`` does, stay ignored. Outside the main thread, where no
    signal arrives, nothing is changed.
    """
    with _handled(_raising(), lambda handler: handler not in (signal.SIG_IGN, None)) as after:
        try:
            yield
        except KeyboardInterrupt:
            # The program ends now, with a status of its own, whatever signals come. Python gives up handlers of its own
            # before it has ended.
            after.update(dict.fromkeys(after, signal.SIG_IGN))
            raise


@contextmanager
def ended_by_unhandled_signals() -> Iterator[None]:
    """Does the same for those of the signals that nobody handles, and that would end the process amid what it does."""
    with _handled(_raising(), lambda handler: handler == signal.SIG_DFL):
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Lets what runs inside come to its end whatever signals come: a clean-up is what all of them ask for."""
    with _handled(_forget, lambda handler: handler is not None):
        yield


def _raising(clock: Callable[[], float] = time.monotonic) -> Callable[[int, FrameType | None], None]:
    """A handler that raises once: those who are on their way out are not stopped again by what comes soon after."""
    last = -_ON_THE_WAY_SECONDS

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = clock()
        if now - last >= _ON_THE_WAY_SECONDS:
            last = now
            _hold_off(now + _ON_THE_WAY_SECONDS, clock)
            raise Interrupted(number)

    return handle


def _hold_off(end: float, clock: Callable[[], float]) -> None:
    """Has handlers of others, as Prefect's of SIGTERM, wait until then."""

    def later(original: Any) -> Callable[[int, FrameType | None], None]:
        def handle(number: int, frame: FrameType | None) -> None:
            if clock() < end:
                return
            signal.signal(number, original)
            os.kill(os.getpid(), number)

        return handle

    for number in _SIGNALS:
        original = signal.getsignal(number)
        if original not in (signal.SIG_IGN, None):
            signal.signal(number, later(original))


def _forget(number: int, frame: FrameType | None) -> None:
    return


@contextmanager
def _handled(handle: Any, is_replaced: Any) -> Iterator[dict[int, Any]]:
    """Sets handlers; gives those that are set again at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield {}
        return
    found = {number: signal.getsignal(number) for number in _SIGNALS}
    before = {number: handler for number, handler in found.items() if is_replaced(handler)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def first_signal(error: BaseException) -> int | None:
    """Number of the signal by which a program ends: of several the one that came first. None if it ends by none."""
    first = None if error.__context__ is None else first_signal(error.__context__)
    if first is not None or isinstance(error, Exception):
        return first
    if isinstance(error, Interrupted):
        return error.number
    # Prefect's own of SIGTERM is no KeyboardInterrupt.
    return signal.SIGINT if isinstance(error, KeyboardInterrupt) else getattr(error, "signal", None)


def notes_of(error: BaseException | None) -> list[str]:
    """What was noted on an error and on those in whose course it came up, the first one first."""
    if error is None:
        return []
    return [*notes_of(error.__context__), *getattr(error, "__notes__", [])]
