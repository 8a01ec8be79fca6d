"""Faults of the services themselves, asked for on the command line: answers that come late, or say to come again.

They are made where connections are, outside of the service, which does its work as ever. What a draw decides depends on
the seed and on the order in which requests come.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from localbatch.host.connections import BoundedProtocol
from localbatch.wire.errors import ServiceError

THROTTLE, BUSY, FAIL, RESET, ITEM, EXPIRED = "throttle", "busy", "fail", "reset", "item", "expired"
_OF_BOTH = {
    THROTTLE: "429 with Retry-After, nothing done",
    BUSY: "503, nothing done",
    FAIL: "500, though all was done",
    RESET: "the connection ends with no answer, though all was done",
}
BATCH_FAULTS = {**_OF_BOTH, ITEM: "a task of a collection is said to have failed, though it was added"}
BLOB_FAULTS = {**_OF_BOTH, EXPIRED: "403 for a request that a link permits, as if its time were over"}
_RETRY_AFTER = b"1"
_OWN_PATHS = ("/localbatch/",)
_STATUSES = {
    THROTTLE: (429, "ServerBusy"),
    BUSY: (503, "ServerBusy"),
    FAIL: (500, "InternalError"),
    EXPIRED: (403, "AuthenticationFailed"),
}
_SIGNATURE = b"sig="

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class FaultPlan:
    """What is to go wrong.

    Attributes:
        rates: for each fault, how often it strikes: from 0 to 1.
        latency: seconds by which each answer is late.
        chance: draws.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    latency: float = 0.0
    chance: random.Random = field(default_factory=random.Random)

    def __bool__(self) -> bool:
        """Whether anything is."""
        return bool(self.latency or any(self.rates.values()))

    def draw(self, query: bytes) -> str | None:
        """What befalls the next request, which has such a query."""
        mark = self.chance.random()
        for fault in (*_OF_BOTH, *([EXPIRED] if _SIGNATURE in query else [])):
            mark -= self.rates.get(fault, 0.0)
            if mark < 0:
                return fault
        return None

    def strikes_item(self) -> bool:
        """Whether the next task of a collection is said to have failed."""
        return self.chance.random() < self.rates.get(ITEM, 0.0)


class FaultyProtocol(BoundedProtocol):
    """HTTP with faults.

    Args:
        plan: what is to go wrong.
    """

    def __init__(self, *arguments: Any, plan: FaultPlan, **options: Any) -> None:
        super().__init__(*arguments, **options)
        app: Any = self.app
        self.app = _Faulty(app, plan, self._abort)

    def _abort(self) -> None:
        self.transport.abort()


class _Faulty:
    def __init__(self, app: App, plan: FaultPlan, abort: Callable[[], None]) -> None:
        self._app, self._plan, self._abort = app, plan, abort

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_OWN_PATHS):
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(self._plan.latency)
        fault = self._plan.draw(scope["query_string"])
        if fault in (THROTTLE, BUSY, EXPIRED):
            await _read_all(receive)
        elif fault in (FAIL, RESET):
            await self._app(scope, receive, _nowhere)
        elif self._plan.rates.get(ITEM) and scope["path"].endswith("/addtaskcollection"):
            await self._with_failed_items(scope, receive, send)
            return
        else:
            await self._app(scope, receive, send)
            return
        if fault == RESET:
            self._abort()
            while (await receive())["type"] != "http.disconnect":
                pass
        elif fault:
            await _refuse(send, *_STATUSES[fault], is_throttled=fault == THROTTLE)

    async def _with_failed_items(self, scope: Any, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        start, body = messages[0], b"".join(message.get("body", b"") for message in messages[1:])
        if start["status"] == 200:
            answer = json.loads(body)
            for item in answer["value"]:
                if self._plan.strikes_item():
                    item["status"] = "ServerError"
            body = json.dumps(answer).encode()
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})


async def _read_all(receive: Receive) -> None:
    while (await receive()).get("more_body"):
        pass


async def _nowhere(message: Message) -> None:
    return


async def _refuse(send: Send, status: int, code: str, *, is_throttled: bool) -> None:
    error = ServiceError(code, status=status)
    body = json.dumps({"code": error.code, "message": {"lang": "en-US", "value": error.message}}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-ms-error-code", code.encode()),
        *([(b"retry-after", _RETRY_AFTER)] if is_throttled else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
