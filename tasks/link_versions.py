"""What lies behind a link of the web, as far as its server says; nothing is fetched."""

import atexit
import logging
from functools import cache
from http import HTTPStatus

import httpx

from prefect_azure_batch.tasks.errors import BadInput, ServiceFailure
from prefect_azure_batch.tasks.intervals import growing_pauses
from prefect_azure_batch.tasks.names import digest
from prefect_azure_batch.tasks.web_links import place_of, without_query

_PATIENCE = 5.0
_SECONDS = 30.0


def link_version(link: str) -> str:
    """Names the content behind a link, as far as its server says what it is: a digest.

    Raises:
        BadInput: the server refuses the link.
        ServiceFailure: the server fails or does not answer, again and again.
    """
    label, trouble = without_query(link), ""
    for _ in growing_pauses(_PATIENCE):
        try:
            answer = _ask(link)
        except httpx.TransportError as error:  # its text may hold the query
            trouble = type(error).__name__
            continue
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise BadInput(f"The link {label!r} leads nowhere ({type(error).__name__}): check it.") from None
        status = answer.status_code
        if answer.is_success or status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:  # of a file of no bytes
            return digest(place_of(link), *_signs_of(answer.headers))
        if answer.is_client_error and status != HTTPStatus.TOO_MANY_REQUESTS:
            raise BadInput(f"The link {label!r} is refused by its server: {status} {answer.reason_phrase}.")
        trouble = f"status {status}"
    raise ServiceFailure(f"The link {label!r} has no answer ({trouble}): check it, or run again.", retryable=True)


def _signs_of(headers: httpx.Headers) -> list[str]:
    """What a server says of a content to tell it from others."""
    if etag := headers.get("etag"):
        return ["etag", etag]
    if changed := headers.get("last-modified"):
        whole = headers.get("content-range", "").rpartition("/")[2]
        return ["changed", changed, whole or headers.get("content-length", "")]
    return []


def _ask(link: str) -> httpx.Response:
    """An answer with the headers of what lies behind a link, which is not fetched."""
    # A file is asked for as nodes ask for it, for another encoding may be another content.
    headers = {"Accept-Encoding": "identity"}
    answer = _client().head(link, headers=headers)
    if answer.is_client_error or answer.status_code == HTTPStatus.NOT_IMPLEMENTED:
        # A link may be signed for reading alone, and a server may know no HEAD.
        with _client().stream("GET", link, headers=headers | {"Range": "bytes=0-0"}) as answer:
            return answer
    return answer


@cache
def _client() -> httpx.Client:
    logging.getLogger("httpx").addFilter(_hide_queries)
    client = httpx.Client(follow_redirects=True, timeout=_SECONDS)
    atexit.register(client.close)
    return client


def _hide_queries(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(
            without_query(str(value)) if isinstance(value, httpx.URL) else value for value in record.args
        )
    return True
