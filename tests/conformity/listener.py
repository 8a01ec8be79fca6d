"""Listens to what an official client is answered, and changes nothing of it."""

from collections import Counter

from azure.core.pipeline import PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import HttpRequest, HttpResponse

from tests.conformity.answers import Exchange, check

HEARD: Counter[str] = Counter()
"""How many answers of each operation this process has heard, by the name of the official client's method."""

NOTES: list[str] = []
"""What tests have to tell at the end."""


class Listener(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """A policy that stands next to the transport.

    Attributes:
        violations: what was wrong with the answers so far.
    """

    def __init__(self) -> None:
        self.violations: list[str] = []

    def on_response(
        self,
        request: PipelineRequest[HttpRequest],
        response: PipelineResponse[HttpRequest, HttpResponse],
    ) -> None:
        """Checks one answer. The body of a download is left to whoever asked for it."""
        answer = response.http_response
        exchange = Exchange(
            verb=str(request.http_request.method),
            url=request.http_request.url,
            status=answer.status_code,
            headers=answer.headers,
            body=answer.content if answer.is_stream_consumed else None,
        )
        operation = exchange.operation
        HEARD[operation.name if operation else "unknown"] += 1
        self.violations += check(exchange)
