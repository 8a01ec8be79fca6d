"""Hands Azure Event Grid's messages on to a Prefect server of one's own, as events that automations can act on.

    export RELAY_KEY=... PREFECT_API_URL=http://prefect.example.org:4200/api
    uvicorn --app-dir deployments relay:app --port 8080 --no-access-log    # it would show the key

Event Grid asks for proof that its receiver wants its messages, and Prefect's server has another form of events: this
answers the one and turns into the other. It takes the Event Grid schema at ``POST /events?key=...``.
"""

import hmac
import os
from http import HTTPStatus
from typing import Any

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.settings import get_current_settings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


def prefect_event(message: dict[str, Any]) -> dict[str, Any]:
    """A message of Event Grid as an event of Prefect.

    It keeps its id, by which Prefect knows it again: Event Grid may deliver a message more than once.

    Args:
        message: in the Event Grid schema.
    """
    data = message["data"]
    return {
        "id": message["id"],
        "event": message["eventType"],
        "occurred": message["eventTime"],
        "resource": {
            "prefect.resource.id": data.get("url") or message["subject"],
            "prefect.resource.name": message["subject"],
        },
        "payload": {"subject": message["subject"], "data": data},
    }


async def receive(request: Request) -> Response:
    """Takes the messages of one request: proves that they are wanted, or hands them on."""
    if not hmac.compare_digest(request.query_params.get("key", "").encode(), os.environ["RELAY_KEY"].encode()):
        return JSONResponse({"error": "key: it is not the one that RELAY_KEY names"}, 401)
    try:
        messages = await request.json()
        if messages[0]["eventType"] == VALIDATION:
            return JSONResponse({"validationResponse": messages[0]["data"]["validationCode"]})
        events = [prefect_event(message) for message in messages]
    except (ValueError, LookupError, TypeError, AttributeError):
        return JSONResponse({"error": "the body is no list of messages in the Event Grid schema"}, 400)
    try:
        async with get_client() as client:
            refused = [event["id"] for event in events if not await takes(client, event)]
    except httpx.HTTPError as error:
        # Event Grid delivers them again, for a day.
        return JSONResponse({"error": f"Prefect did not take them ({type(error).__name__})"}, 503)
    if refused:  # and would be each time
        return JSONResponse({"error": f"Prefect refuses these messages: {', '.join(map(str, refused))}"}, 400)
    return Response(status_code=204)


async def takes(client: PrefectClient, event: dict[str, Any]) -> bool:
    """Hands an event on, and says whether Prefect takes it.

    Args:
        client: of the Prefect server.
        event: in Prefect's form.

    Raises:
        HTTPError: Prefect is away, or in trouble.
    """
    try:
        (await client.request("POST", "/events", json=[event])).raise_for_status()
    except httpx.HTTPStatusError as error:
        if not error.response.is_client_error or error.response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise
        return False
    return True


if get_current_settings().api.url is None:
    raise SystemExit("PREFECT_API_URL: set it to the address of the Prefect server that the messages are for")
if not os.environ.get("RELAY_KEY"):
    raise SystemExit("RELAY_KEY: set it to a secret of your own, which Event Grid then sends as ?key=...")
app = Starlette(routes=[Route("/events", receive, methods=["POST"])])
