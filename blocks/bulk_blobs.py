"""Very many blobs sent, fetched and listed, with little round each.

The SDK's clients take three times as long over a small blob as its request does, and as long over one in a listing as
over a request. What goes this way is sent by the parts that they are made of (azure-core's pipeline, the same patience,
credential and connections) and no more. Why: docs/decisions/0018-many-blobs-go-by-a-short-way.md.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, unquote, urlencode
from xml.etree.ElementTree import Element

from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.pipeline import Pipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import (
    AzureSasCredentialPolicy,
    BearerTokenCredentialPolicy,
    ContentDecodePolicy,
    SansIOHTTPPolicy,
)
from azure.core.pipeline.transport import HttpRequest, HttpResponse, HttpTransport
from azure.storage.blob import BlobServiceClient

from prefect_azure_batch.blocks.patience import BlobRetry
from prefect_azure_batch.blocks.signing import plain_url

MOST_BYTES = 8 << 20
"""The most that goes up or down in one request; the SDK sends and fetches larger ones in pieces."""

# The most that Azure gives. Source: "List Blobs", Azure Storage REST reference.
_LISTED_AT_ONCE = 5000
_SCOPE = "https://storage.azure.com/.default"
# https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory: "Bearer challenge".
_TENANT = re.compile(r"authorization_uri=\"?https://[^/\s]+/([^/\s\",]+)")
_ERRORS = {401: ClientAuthenticationError, 404: ResourceNotFoundError, 409: ResourceExistsError}
_NOT_SIGNED_IN = {"AuthenticationFailed", "InvalidAuthenticationInfo"}


@dataclass(frozen=True)
class ListedBlob:
    """What a listing says of a blob.

    Attributes:
        name: of the blob.
        size: bytes.
        md5: of its content, in hexadecimal digits; empty if storage does not know it.
        etag: of its content.
        is_folder: it stands for a directory, as in storage accounts with hierarchical namespace. Source: "Known issues
            with Azure Data Lake Storage Gen2", Microsoft Learn: listings show directories as empty blobs with metadata.
    """

    name: str
    size: int
    md5: str
    etag: str
    is_folder: bool


class BulkBlobs:
    """Sends, fetches and lists whole blobs of one account; safe for threads.

    Args:
        service: the SDK's client of the account, whose credential and address are used.
        transport: sends requests.
        retry: tries again.

    Attributes:
        service: the client, for all else.
    """

    def __init__(
        self, service: BlobServiceClient, transport: HttpTransport[HttpRequest, HttpResponse], retry: BlobRetry
    ) -> None:
        self.service = service
        self._endpoint = service.url.partition("?")[0].rstrip("/")
        self._pipeline = Pipeline(transport, [retry, _Dated(service.api_version), _signer(service.credential)])

    def put(self, container: str, blob: str, content: bytes) -> None:
        """Makes a blob; storage refuses content that has not arrived as it was sent.

        Raises:
            ResourceExistsError: it is there already, with whatever content.
            AzureError: storage refused or failed the request.
        """
        headers = {
            "Content-Length": str(len(content)),
            "Content-MD5": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
            "Content-Type": "application/octet-stream",
            "If-None-Match": "*",
            "x-ms-blob-type": "BlockBlob",
        }
        self._run("PUT", container, blob, headers, content)

    def get(self, container: str, blob: str) -> bytes:
        """The content of a blob.

        Raises:
            ResourceNotFoundError: it is not there.
            AzureError: storage refused or failed the request.
        """
        return bytes(self._run("GET", container, blob, {}).body())

    def list(self, container: str, prefix: str, at_once: int = _LISTED_AT_ONCE) -> Iterator[ListedBlob]:
        """The blobs whose names begin so.

        Args:
            container: name of the container.
            prefix: of the names.
            at_once: how many to ask for in a request.

        Raises:
            ResourceNotFoundError: there is no such container.
            AzureError: storage refused or failed a request.
        """
        query = {"restype": "container", "comp": "list", "include": "metadata", "maxresults": str(at_once)}
        query["prefix"] = prefix
        while True:
            response = self._run("GET", container, None, {}, query=query)
            page: Element = ContentDecodePolicy.deserialize_from_http_generics(response, encoding="utf-8")
            for blob in page.iterfind("Blobs/Blob"):
                yield _listed(blob)
            marker = page.findtext("NextMarker")
            if not marker:
                return
            query["marker"] = marker

    def _run(
        self,
        method: str,
        container: str,
        blob: str | None,
        headers: dict[str, str],
        content: bytes | None = None,
        query: dict[str, str] | None = None,
    ) -> HttpResponse:
        url = plain_url(self._endpoint, container, blob) + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        request = HttpRequest(method, url, headers=headers, data=content)
        response: HttpResponse = self._pipeline.run(request).http_response
        if not 200 <= response.status_code < 300:
            raise _failure(response)
        return response


def _listed(blob: Element) -> ListedBlob:
    name, found = blob.find("Name"), blob.find("Properties")
    assert name is not None
    assert found is not None
    text = name.text or ""
    return ListedBlob(
        unquote(text) if name.get("Encoded") == "true" else text,  # of characters that XML cannot hold
        int(found.findtext("Content-Length") or 0),
        base64.b64decode(found.findtext("Content-MD5") or "").hex(),
        found.findtext("Etag") or "",
        (blob.findtext("Metadata/hdi_isfolder") or "").lower() == "true",
    )


class _Dated(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """The time of each try: storage refuses a signature that is older than a quarter of an hour."""

    def __init__(self, version: str) -> None:
        self._version = version

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        request.http_request.headers["x-ms-date"] = formatdate(usegmt=True)
        request.http_request.headers["x-ms-version"] = self._version


class _StorageToken(BearerTokenCredentialPolicy[Any, Any]):
    """Tokens of the tenant that the account names, as the SDK's own clients get them."""

    def on_challenge(self, request: PipelineRequest[Any], response: PipelineResponse[Any, Any]) -> bool:
        found = _TENANT.search(response.http_response.headers.get("WWW-Authenticate", ""))
        if found is None:
            return super().on_challenge(request, response)
        self.authorize_request(request, _SCOPE, tenant_id=found[1])
        return True


def _signer(credential: Any) -> Any:
    if isinstance(credential, AzureSasCredential):
        return AzureSasCredentialPolicy(credential)
    if isinstance(credential, SansIOHTTPPolicy):
        return credential  # what the client has made of an account key
    return _StorageToken(credential, _SCOPE)


def _failure(response: HttpResponse) -> HttpResponseError:
    """The error that the SDK's clients raise for an answer: the class, and the service's code and message."""
    code, message = response.headers.get("x-ms-error-code", ""), response.reason
    try:
        body = ContentDecodePolicy.deserialize_from_http_generics(response)
    except DecodeError:
        body = None
    if isinstance(body, Element):
        code, message = body.findtext("Code", code), body.findtext("Message", message)
    kind = ClientAuthenticationError if code in _NOT_SIGNED_IN else _ERRORS.get(response.status_code, HttpResponseError)
    error = kind(message=message, response=response)
    vars(error)["error_code"] = code
    return error
