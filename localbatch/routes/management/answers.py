"""How the management plane writes its answers: ARM resources and ARM errors."""

import json
import uuid
from datetime import datetime

from starlette.responses import Response

from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject, JsonValue, format_time, make_etag
from localbatch.wire.tokens import AUTHORITY

ACCOUNT_TYPE = "Microsoft.Batch/batchAccounts"
RETRY_SECONDS = 1
"""How soon clients ask again how a long-running operation went."""


class ManagementError(Exception):
    """A refusal, with the HTTP status, the code and the sentence the client sees."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def from_service(error: ServiceError) -> ManagementError:
    """Turns a refusal of the data plane into one of the management plane."""
    named = "".join(f"\n{name}: {value}" for name, value in error.values)
    return ManagementError(error.status, error.code, f"{error.message}{named}")


def not_emulated(what: str) -> ManagementError:
    """Makes the refusal of something that Azure has and the local management plane has not."""
    return ManagementError(501, "NotEmulated", f"The local Batch service does not emulate {what}.")


def invalid_value(name: str, value: object, reason: str) -> ManagementError:
    """Makes the refusal of one property.

    Args:
        name: as on the wire, with the properties it lies in.
        value: as the client sent it.
        reason: a sentence saying what is wrong with it.
    """
    return ManagementError(400, "InvalidPropertyValue", f"The value '{value}' of {name} is invalid. {reason}")


def json_response(body: JsonObject, status: int = 200) -> Response:
    """Returns an answer with the headers of the management plane."""
    headers = request_headers()
    etag = body.get("etag")
    if isinstance(etag, str):
        headers["etag"] = etag
    return Response(json.dumps(body), status, headers, "application/json; charset=utf-8")


def request_headers() -> dict[str, str]:
    """Makes the headers that every answer has."""
    return {"x-ms-request-id": str(uuid.uuid4()), "cache-control": "no-cache"}


def accepted(location: str) -> Response:
    """Answers that an operation has begun.

    Args:
        location: where clients ask how it went.
    """
    return Response(
        status_code=202, headers={**request_headers(), "location": location, "retry-after": str(RETRY_SECONDS)}
    )


def done(status: int = 200) -> Response:
    """Answers that there is nothing more to say."""
    return Response(status_code=status, headers=request_headers())


def listed(items: list[JsonObject], next_link: str | None = None) -> Response:
    """Answers with a page of a list."""
    body: JsonObject = {"value": list[JsonValue](items)}
    if next_link is not None:
        body["nextLink"] = next_link
    return json_response(body)


def error_response(error: ManagementError, now: datetime) -> Response:
    """Returns an error as ARM clients read it."""
    message = f"{error.message}\nRequestId:{uuid.uuid4()}\nTime:{format_time(now)}"
    response = json_response(
        {"error": {"code": error.code, "message": message, "target": "BatchAccount"}}, error.status
    )
    if error.status == 401:
        response.headers["www-authenticate"] = (
            f'Bearer authorization_uri="{AUTHORITY}", error="invalid_token", error_description="{error.message}"'
        )
    return response


def arm_etag(changed: datetime) -> str:
    """Makes the etag of a resource that was last changed then."""
    return f'W/"{make_etag(changed)}"'
