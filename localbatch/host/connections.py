"""Connections that can't be held on to: a limit to their number, to the size of a head and to the time of a request.

They also know what ASGI has no words for: the reason in the first line of an answer.
"""

import asyncio
import logging
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from localbatch.wire.formats import REASON_HEADER

MOST_CONNECTIONS = 512
LONGEST_HEAD = 64 * 1024
_REASON = REASON_HEADER.encode()

logger = logging.getLogger("localbatch")


class _Speaker(h11.Connection):
    """Puts the reason of an answer where HTTP has it."""

    def send(self, event: h11.Event) -> bytes | None:  # type: ignore[override]
        """Turns part of an answer into bytes."""
        if isinstance(event, h11.Response):
            headers = [(name, value) for name, value in event.headers if name != _REASON]
            reasons = [value for name, value in event.headers if name == _REASON]
            reason = reasons[0] if reasons else event.reason
            event = h11.Response(status_code=event.status_code, headers=headers, reason=reason)
        return super().send(event)


class BoundedProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, within limits.

    Attributes:
        longest_request_seconds: how long a request may take to arrive, from its first byte to the last of its body.
    """

    longest_request_seconds = 120.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conn = _Speaker(h11.SERVER, LONGEST_HEAD)
        self._deadline: asyncio.TimerHandle | None = None
        self._waiting_since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection; if there are too many, the one goes that has owed no answer for the longest time.

        So nobody is kept out by connections that others open and leave alone.
        """
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            ours = (each for each in self.connections if isinstance(each, BoundedProtocol))
            waiting = [each for each in ours if not each._owes_answer]
            leaving = min(waiting, key=lambda each: each._waiting_since)
            if leaving is self:
                logger.warning("There are %d connections, all of them busy; a new one is closed", MOST_CONNECTIONS)
            leaving.transport.abort()
            self.connections.discard(leaving)  # now, for more may come before the loop gets round to it
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Reads on, and watches how long that takes."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Goes on with the next request."""
        self._waiting_since = self.loop.time()
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Lets go of the connection."""
        super().connection_lost(exc)
        self._unwatch()

    @property
    def _owes_answer(self) -> bool:
        # Until the first request there is no cycle, whatever its type says.
        return self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]

    def _watch(self) -> None:
        """Sets a deadline while part of a request is missing, one for each request."""
        if not self._is_receiving():
            self._unwatch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.longest_request_seconds, self.transport.abort)

    def _is_receiving(self) -> bool:
        # A connection on which nothing has come is watched, too; one that waits for its next request is uvicorn's.
        state = self.conn.their_state
        begun = bool(self.conn.trailing_data[0]) or self.timeout_keep_alive_task is None
        return state is h11.SEND_BODY or (state is h11.IDLE and begun)

    def _unwatch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
