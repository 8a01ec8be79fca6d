"""Blob containers reached by a link, and why one could not be."""

import os
import ssl
import time
from collections.abc import Iterator
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobProperties, ContainerClient, LinearRetry

AUTHORITIES_VARIABLE = "SSL_CERT_FILE"
"""Names a file of certificates that are trusted, in all requests of the service; httpx reads it by itself."""


_TRIES = 6
_THROTTLED = 429


class _Retry(LinearRetry):
    """Repeats what is throttled, too, which the SDK takes for an answer."""

    def send(self, request: Any) -> Any:
        """Sends a request."""
        body = request.http_request.body
        place = body.tell() if hasattr(body, "seek") else None
        answer: Any = super().send(request)  # type: ignore[no-untyped-call]
        for _ in range(_TRIES):
            if answer.http_response.status_code != _THROTTLED:
                break
            time.sleep(1)
            if place is not None:
                body.seek(place)
            answer = super().send(request)  # type: ignore[no-untyped-call]
        return answer


def open_container(link: str, **options: Any) -> ContainerClient:
    """Opens the container that a link leads to.

    Args:
        link: address of the container with its signature.
        options: further ones of the client.

    Raises:
        ValueError: it leads to no container.
    """
    retry = _Retry(backoff=1, retry_total=_TRIES, retry_status=_TRIES, random_jitter_range=0)
    trusted = os.environ.get(AUTHORITIES_VARIABLE) or True
    return ContainerClient.from_container_url(
        link, retry_policy=retry, connection_timeout=10, connection_verify=trusted, **options
    )


def is_folder(blob: BlobProperties) -> bool:
    """Tells whether a blob that was listed with its metadata stands for a directory.

    That is how storage accounts with hierarchical namespace show their directories.
    """
    return str((blob.metadata or {}).get("hdi_isfolder", "")).lower() == "true"


def reason_of(error: Exception) -> str:
    """Tells why a link could not be followed, without the text of the error, which may hold the link."""
    if isinstance(error, HttpResponseError):
        # A text or, where the SDK knows it, a member of an enumeration.
        code = getattr(error, "error_code", None)
        return f"{error.status_code} {getattr(code, 'value', code) or ''}".rstrip()
    untrusted = complaint_about_certificate(error)
    if untrusted is not None:
        return untrusted
    if isinstance(error, AzureError):
        return "The storage service did not answer"
    strerror = error.strerror if isinstance(error, OSError) else None
    return strerror or "The link to the container, or a header, is invalid"


def complaint_about_certificate(error: BaseException) -> str | None:
    """Says that a server's certificate is not trusted, if that is why an error came; None if it is not."""
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return (
                f"The certificate of the server is not trusted ({each.verify_message}): name the file of its authority "
                f"in {AUTHORITIES_VARIABLE} when localbatch is started"
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that have led to it; azure-core, requests and urllib3 keep them in places of their own."""
    pending, seen = [error], set[int]()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        kept = (getattr(each, "inner_exception", None), getattr(each, "reason", None))
        further = (each.__cause__, each.__context__, *kept, *each.args)
        pending += [other for other in further if isinstance(other, BaseException)]
