"""Trying again: as long as the account answers others, however often one request is turned away.

A service that throttles refuses a third of all requests, and a few of them many times over; one that is down answers
none. So what counts is when the account last answered anybody, and not how often one request was tried.
"""

import logging
import random
import time
from collections.abc import Callable
from typing import Any

from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import RetryPolicy
from azure.storage.blob import ExponentialRetry

_LONGEST_SECONDS = 600.0
_LONGEST_PAUSE = 15.0
# More than fit into the longest time: the clock decides.
_TRIES = 1000
_METHODS = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "POST"]
_THROTTLED = 429
_SILENT_SECONDS, _TELL_AGAIN_SECONDS = 20.0, 60.0

_logger = logging.getLogger(__name__)


class Patience:
    """How long all who call one account go on trying.

    With one that has never answered, patience is lost once: what follows is tried a single time.

    Args:
        seconds: how long after the account has last answered anybody.
        clock: seconds on a clock that only goes forward.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self.clock = seconds, clock
        self._answered: float | None = None
        self._told: float | None = None
        self._is_lost = False

    def note(self, status: int) -> None:
        """Notes an answer; one that says to come again later does not count."""
        if status < 500 and status != _THROTTLED:
            self._answered, self._is_lost = self.clock(), False

    def tell(self, begun: float, what: str, why: str) -> None:
        """Warns of a request that was begun then and is tried again and again; once a minute for all of them."""
        now = self.clock()
        if now - begun > _SILENT_SECONDS and (self._told is None or now - self._told > _TELL_AGAIN_SECONDS):
            self._told = now
            _logger.warning("%s has not served a request for %.0f s (%s): it is tried again.", what, now - begun, why)

    def is_over(self, begun: float) -> bool:
        """Whether a request that was begun then is to be given up."""
        now, answered = self.clock(), self._answered
        if answered is None:
            self._is_lost = self._is_lost or now - begun > self.seconds
            return self._is_lost
        return now - begun > _LONGEST_SECONDS or now - max(begun, answered) > self.seconds


class BatchRetry(RetryPolicy[Any, Any]):
    """Repeats requests to Batch, also those that were lost on their way.

    What a repeated POST finds done already is refused with 409, as it is after a server error, and whoever makes
    something looks then whether it is his own.

    Args:
        patience: of the account.
        factor: seconds of the second pause; each further one is twice as long.
    """

    def __init__(self, patience: Patience, factor: float) -> None:
        counts = dict.fromkeys(("retry_total", "retry_connect", "retry_read", "retry_status"), _TRIES)
        super().__init__(retry_backoff_factor=factor, retry_backoff_max=_LONGEST_PAUSE, **counts)
        self.patience = patience

    def configure_retries(self, options: dict[str, Any]) -> dict[str, Any]:
        """Begins a request."""
        options.setdefault("retry_on_methods", _METHODS)
        return super().configure_retries(options) | {"begun": self.patience.clock()}

    def increment(self, settings: dict[str, Any], response: Any = None, error: Exception | None = None) -> bool:
        """Whether to try again."""
        return super().increment(settings, response, error) and not self.patience.is_over(settings["begun"])

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Sends a request until it is answered or patience is over."""
        response = super().send(request)
        self.patience.note(response.http_response.status_code)
        return response


class BlobRetry(ExponentialRetry):
    """Repeats requests to Blob storage, also those that are throttled by 429, which the SDK takes for an answer.

    Args:
        patience: of the account.
        first: seconds of the first pause; each further one is twice as long.
    """

    def __init__(self, patience: Patience, first: float) -> None:
        super().__init__(retry_total=_TRIES, retry_connect=_TRIES, retry_read=_TRIES, retry_status=_TRIES)
        self.patience, self._first = patience, first

    def configure_retries(self, request: PipelineRequest[Any]) -> dict[str, Any]:
        """Begins a request."""
        return super().configure_retries(request) | {"begun": self.patience.clock()}

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Seconds until the next try."""
        return self._pause(settings["count"])

    def increment(self, settings: dict[str, Any], *arguments: Any, **options: Any) -> bool:
        """Whether to try again."""
        if isinstance(options.get("error"), ClientAuthenticationError):
            return False  # of a credential that gives no token: no request was made, and none will be
        goes_on = super().increment(settings, *arguments, **options) and not self.patience.is_over(settings["begun"])
        if goes_on:
            self.patience.tell(settings["begun"], "Blob storage", _reason(**options))
        return goes_on

    def send(self, request: PipelineRequest[Any]) -> PipelineResponse[Any, Any]:
        """Sends a request until it is answered or patience is over."""
        body, begun, times = request.http_request.body, self.patience.clock(), 0
        place = body.tell() if hasattr(body, "seek") else None
        while True:
            response: PipelineResponse[Any, Any] = super().send(request)  # type: ignore[no-untyped-call]
            status = response.http_response.status_code
            self.patience.note(status)
            if status != _THROTTLED or self.patience.is_over(begun):
                return response
            told = str(response.http_response.headers.get("Retry-After", ""))
            time.sleep(min(float(told), _LONGEST_SECONDS) if told.isdecimal() else self._pause(times))
            times += 1
            if place is not None:
                body.seek(place)

    def _pause(self, times: int) -> float:
        longest = min(self._first * 2.0**times, _LONGEST_PAUSE)
        return random.uniform(longest / 2, longest)  # noqa: S311


def _reason(response: Any = None, error: Exception | None = None, **_others: object) -> str:
    return f"no answer, {type(error).__name__}" if response is None else f"HTTP {response.status_code}"
