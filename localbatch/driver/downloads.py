"""Fetching what lies behind a link into a file. It blocks, and is called from threads."""

import threading
from typing import IO

import httpx

from localbatch.driver.blob_containers import complaint_about_certificate

_TRIES = 10
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 1.0
_WORTH_ANOTHER_TRY = frozenset({408, 429, 500, 502, 503, 504})
_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")


class DownloadError(Exception):
    """A link could not be fetched.

    Attributes:
        status: status code of the answer, None if there was none.
        try_again: whether another try may help.
    """

    def __init__(self, status: int | None, reason: str, *, try_again: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.try_again = try_again


def refusal_of(status: int) -> DownloadError:
    """Makes the error of an answer with this status code."""
    return DownloadError(status, str(status), try_again=status in _WORTH_ANOTHER_TRY)


class DownloadGivenUp(Exception):
    """Nobody wants the file any more."""


class Downloader:
    """Fetches links over http and https.

    Args:
        connections: how many threads may fetch at the same time.
    """

    def __init__(self, connections: int) -> None:
        self._client = httpx.Client(
            follow_redirects=True,
            timeout=httpx.Timeout(60, connect=10),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            # A file is taken as it lies there, never unpacked on its way.
            headers={"Accept-Encoding": "identity", "User-Agent": "localbatch"},
            # The user's proxy is used, but never for what lies on this machine.
            mounts=dict.fromkeys(_LOOPBACK),
        )

    def fetch(
        self, link: str, stream: IO[bytes], given_up: threading.Event, refusal: DownloadError | None = None
    ) -> None:
        """Writes what lies behind a link to a stream, which is taken back to its start for every try.

        Args:
            link: where from.
            stream: where to.
            given_up: set when nobody wants it any more.
            refusal: how a first try has ended that was made elsewhere.

        Raises:
            DownloadError: the server refused it, or it could not be fetched in several tries.
            DownloadGivenUp: the event was set meanwhile.
            OSError: the stream could not be written.
        """
        pause = _FIRST_PAUSE_SECONDS
        for left in reversed(range(_TRIES)):
            try:
                if refusal is not None:
                    raise refusal
                self._try(link, stream, given_up)
            except DownloadError as error:
                if not left or not error.try_again:
                    raise
                refusal = None
            else:
                return
            if given_up.wait(pause):
                raise DownloadGivenUp
            pause = min(pause * 3, _LONGEST_PAUSE_SECONDS)

    def close(self) -> None:
        """Closes all connections."""
        self._client.close()

    def _try(self, link: str, stream: IO[bytes], given_up: threading.Event) -> None:
        stream.seek(0)
        stream.truncate()
        try:
            with self._client.stream("GET", link) as answer:
                if not answer.is_success:
                    raise refusal_of(answer.status_code)
                for piece in answer.iter_raw():
                    if given_up.is_set():
                        raise DownloadGivenUp
                    stream.write(piece)
        # The texts of these errors may hold the whole link, signature included; their names do not.
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.TooManyRedirects) as error:
            raise DownloadError(None, type(error).__name__) from error
        except httpx.HTTPError as error:
            untrusted = complaint_about_certificate(error)
            raise DownloadError(None, untrusted or type(error).__name__, try_again=untrusted is None) from error
