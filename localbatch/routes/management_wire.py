"""How the management plane writes its answers: ARM resources and ARM errors."""

import base64
import hmac
import json
import uuid
from datetime import datetime

from starlette.responses import Response

from localbatch.store_applications import ApplicationRecord, PackageRecord
from localbatch.wire import JsonObject, format_time, make_etag

_TYPE = "Microsoft.Batch/batchAccounts"


class ManagementError(Exception):
    """A refusal, with the HTTP status, the code and the sentence the client sees."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def check_token(authorization: str | None, key: bytes) -> None:
    """Checks that the bearer token is the account key.

    Raises:
        ManagementError: 401, as ARM answers a missing or unknown token.
    """
    if not authorization:
        raise ManagementError(
            401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
        )
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(_decode(token), key):
        raise ManagementError(401, "InvalidAuthenticationToken", "The access token is invalid.")


def _decode(token: str) -> bytes:
    try:
        return base64.b64decode(token.strip(), validate=True)
    except ValueError:
        return b""


def json_response(body: JsonObject, status: int = 200) -> Response:
    """Returns an answer with the headers of the management plane."""
    headers = {"x-ms-request-id": str(uuid.uuid4()), "cache-control": "no-cache"}
    etag = body.get("etag")
    if isinstance(etag, str):
        headers["etag"] = etag
    return Response(json.dumps(body), status, headers, "application/json; charset=utf-8")


def error_response(error: ManagementError, now: datetime) -> Response:
    """Returns an error as ARM clients read it."""
    message = f"{error.message}\nRequestId:{uuid.uuid4()}\nTime:{format_time(now)}"
    response = json_response(
        {"error": {"code": error.code, "message": message, "target": "BatchAccount"}}, error.status
    )
    if error.status == 401:
        response.headers["www-authenticate"] = f'Bearer error="invalid_token", error_description="{error.message}"'
    return response


def account_body(base_id: str, host: str, storage_account: str | None, now: datetime) -> JsonObject:
    """Returns the Batch account.

    Args:
        base_id: resource id of the account.
        host: host and port of the Batch service.
        storage_account: name of the auto-storage account, None if there is none.
        now: the time of the answer.
    """
    properties: JsonObject = {
        "accountEndpoint": host,
        "provisioningState": "Succeeded",
        "poolAllocationMode": "BatchService",
        "publicNetworkAccess": "Enabled",
        "allowedAuthenticationModes": ["SharedKey"],
    }
    if storage_account:
        group = base_id.rsplit("/providers/", 1)[0]
        properties["autoStorage"] = {
            "storageAccountId": f"{group}/providers/Microsoft.Storage/storageAccounts/{storage_account}",
            "lastKeySync": format_time(now),
            "authenticationMode": "StorageKeys",
        }
    name = base_id.rsplit("/", 1)[1]
    return {"id": base_id, "name": name, "type": _TYPE, "location": "local", "properties": properties}


def application_body(base_id: str, record: ApplicationRecord) -> JsonObject:
    """Returns an application."""
    properties: JsonObject = {"allowUpdates": record.allow_updates}
    if record.display_name is not None:
        properties["displayName"] = record.display_name
    if record.default_version is not None:
        properties["defaultVersion"] = record.default_version
    return {
        "id": f"{base_id}/applications/{record.id}",
        "name": record.id,
        "type": f"{_TYPE}/applications",
        "etag": _etag(record.changed),
        "properties": properties,
    }


def package_body(base_id: str, record: PackageRecord, link: str | None, expiry: datetime) -> JsonObject:
    """Returns a package.

    Args:
        base_id: resource id of the account.
        record: the package.
        link: where its zip is written to and read from, signed.
        expiry: when the link ends.
    """
    properties: JsonObject = {"state": record.state}
    if record.format is not None:
        properties["format"] = record.format
    if record.activated is not None:
        properties["lastActivationTime"] = format_time(record.activated)
    if link is not None:
        properties |= {"storageUrl": link, "storageUrlExpiry": format_time(expiry)}
    return {
        "id": f"{base_id}/applications/{record.application_id}/versions/{record.version}",
        "name": record.version,
        "type": f"{_TYPE}/applications/versions",
        "etag": _etag(record.changed),
        "properties": properties,
    }


def _etag(changed: datetime) -> str:
    return f'W/"{make_etag(changed)}"'
