"""The few calls of the Azure Resource Manager plane that publish application packages.

On Azure only the management plane can create applications, so that ``azure.mgmt.batch`` is what clients use; here it
is pointed at the Batch service itself (``base_url``). Every subscription, resource group and account name is served.
The bearer token is the account key, which the launcher hands out; real tokens mean nothing here.

Source: the Batch management REST reference, API version 2025-06-01. The codes of conflicts are not documented there;
those below are of our choosing.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from localbatch.auto_storage import AutoStorage
from localbatch.routes.management_wire import (
    ManagementError,
    account_body,
    application_body,
    check_token,
    error_response,
    json_response,
    package_body,
)
from localbatch.store_applications import ACTIVE, PENDING, ApplicationRecord, Applications, PackageRecord
from localbatch.wire import JsonObject

_VERSIONS = (
    *("2021-01-01", "2021-06-01", "2022-01-01", "2022-06-01", "2022-10-01"),
    *("2023-05-01", "2023-11-01", "2024-02-01", "2024-07-01", "2025-06-01"),
)
_LINK_LIFE = timedelta(hours=4)
_LARGEST_BODY = 1024 * 1024
_LARGEST_PAGE = 1000

_Kind = TypeVar("_Kind", bound=BaseModel)

_ACCOUNT = (
    "/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.Batch/batchAccounts/(?P<account>[a-z0-9]{3,24})"
)
_APPLICATION = _ACCOUNT + "/applications/(?P<application>[a-z0-9_-]{1,64})"
_PACKAGE = _APPLICATION + "/versions/(?P<version>[a-z0-9_-][a-z0-9_.-]{0,63})"


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _ApplicationProperties(_Body):
    display_name: str | None = None
    allow_updates: bool | None = None
    default_version: str | None = None


class _ApplicationBody(_Body):
    properties: _ApplicationProperties | None = None


class _ActivationBody(_Body):
    format: str


@dataclass(frozen=True)
class _Call:
    """One authorised request and the names in its path."""

    request: Request
    names: dict[str, str]
    now: datetime

    @property
    def account(self) -> str:
        return self.names["account"].lower()

    @property
    def base_id(self) -> str:
        """Resource id of the Batch account."""
        names = self.names
        group = f"/subscriptions/{names['subscription']}/resourceGroups/{names['group']}"
        return f"{group}/providers/Microsoft.Batch/batchAccounts/{names['account']}"

    async def read(self) -> bytes:
        """Returns the body."""
        body = bytearray()
        async for piece in self.request.stream():
            body += piece
            if len(body) > _LARGEST_BODY:
                raise ManagementError(413, "RequestTooLarge", "The request body is too large.")
        return bytes(body) or b"{}"


class ManagementRoute(BaseRoute):
    """Serves every path below ``/subscriptions``, in any case, as ARM does.

    Args:
        applications: the tables of applications and packages.
        storage: the auto-storage account; None where the service runs without a Blob service.
        key: the account key; in base64 it is the bearer token.
    """

    def __init__(self, applications: Applications, storage: AutoStorage | None, key: bytes) -> None:
        self._key = key
        plane = _Plane(applications, storage)
        table: list[tuple[str, str, Callable[[_Call], Awaitable[Response]]]] = [
            ("GET", _ACCOUNT, plane.get_account),
            ("GET", _ACCOUNT + "/applications", plane.list_applications),
            ("GET", _APPLICATION, plane.get_application),
            ("PUT", _APPLICATION, plane.put_application),
            ("PATCH", _APPLICATION, plane.update_application),
            ("DELETE", _APPLICATION, plane.delete_application),
            ("GET", _APPLICATION + "/versions", plane.list_packages),
            ("GET", _PACKAGE, plane.get_package),
            ("PUT", _PACKAGE, plane.put_package),
            ("DELETE", _PACKAGE, plane.delete_package),
            ("POST", _PACKAGE + "/activate", plane.activate_package),
        ]
        self._table = [(method, re.compile(path + "/?", re.IGNORECASE), call) for method, path, call in table]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Takes everything below ``/subscriptions``."""
        ours = scope["type"] == "http" and scope["path"].lower().startswith("/subscriptions/")
        return (Match.FULL if ours else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except ManagementError as error:
            response = error_response(error, datetime.now(UTC))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        check_token(request.headers.get("authorization"), self._key)
        _check_version(_query(request).get("api-version"))
        allowed = []
        for method, path, call in self._table:
            found = path.fullmatch(request.scope["path"])
            if found and method == request.method:
                return await call(_Call(request, found.groupdict(), datetime.now(UTC)))
            allowed += [method] if found else []
        if allowed:
            raise ManagementError(405, "MethodNotAllowed", f"This resource allows {', '.join(allowed)}.")
        raise ManagementError(
            404, "ResourceNotFound", f"The local management plane has no resource {request.url.path}."
        )


def _query(request: Request) -> dict[str, str]:
    """Returns the query by lower-case names, which ARM does not tell apart from others."""
    return {name.lower(): value for name, value in request.query_params.items()}


def _check_version(version: str | None) -> None:
    if version is None:
        raise ManagementError(
            400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required."
        )
    if version not in _VERSIONS:
        raise ManagementError(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '{','.join(_VERSIONS)}'.",
        )


class _Plane:
    def __init__(self, applications: Applications, storage: AutoStorage | None) -> None:
        self._applications = applications
        self._storage = storage

    async def get_account(self, call: _Call) -> Response:
        host = call.request.url.netloc
        storage_account = self._storage.account if self._storage else None
        return json_response(account_body(call.base_id, host, storage_account, call.now))

    async def list_applications(self, call: _Call) -> Response:
        limit = _page_size(call.request)
        after = _query(call.request).get("$skiptoken", "")
        found = self._applications.list_all(call.account, after=after, limit=limit + 1)
        body: JsonObject = {"value": [application_body(call.base_id, record) for record in found[:limit]]}
        if len(found) > limit:
            query = _query(call.request) | {"$skiptoken": found[limit - 1].id}
            body["nextLink"] = str(call.request.url.replace(query=urlencode(query)))
        return json_response(body)

    async def get_application(self, call: _Call) -> Response:
        return json_response(application_body(call.base_id, self._application(call)))

    async def put_application(self, call: _Call) -> Response:
        given = await _parse_properties(call)
        former = self._applications.get(call.account, call.names["application"])
        record = ApplicationRecord(
            account=call.account,
            id=former.id if former else call.names["application"],
            display_name=given.display_name,
            allow_updates=True if given.allow_updates is None else given.allow_updates,
            default_version=self._existing_version(call, given.default_version),
            changed=call.now,
        )
        self._applications.put(record)
        return json_response(application_body(call.base_id, record))

    async def update_application(self, call: _Call) -> Response:
        given = await _parse_properties(call)
        record = self._application(call)
        allow_updates = record.allow_updates if given.allow_updates is None else given.allow_updates
        if not record.allow_updates and not allow_updates:
            raise ManagementError(409, "ApplicationUpdatesNotAllowed", "The application does not allow updates.")
        changed = replace(record, allow_updates=allow_updates, changed=call.now)
        if "display_name" in given.model_fields_set:
            changed = replace(changed, display_name=given.display_name)
        if "default_version" in given.model_fields_set:
            changed = replace(changed, default_version=self._existing_version(call, given.default_version))
        self._applications.put(changed)
        return json_response(application_body(call.base_id, changed))

    async def delete_application(self, call: _Call) -> Response:
        name = call.names["application"]
        if self._applications.get(call.account, name) is None:
            return Response(status_code=204)
        if self._applications.list_packages(call.account, name):
            raise ManagementError(
                409, "ApplicationHasPackages", "The application still has packages, which must be deleted first."
            )
        self._applications.delete(call.account, name)
        return Response()

    async def list_packages(self, call: _Call) -> Response:
        application = self._application(call)
        packages = self._applications.list_packages(call.account, application.id)
        return json_response({"value": [self._describe(call, package) for package in packages]})

    async def get_package(self, call: _Call) -> Response:
        return json_response(self._describe(call, self._package(call)))

    async def put_package(self, call: _Call) -> Response:
        application = self._application(call)
        version = call.names["version"]
        former = self._applications.get_package(call.account, application.id, version)
        if former and not application.allow_updates:
            raise ManagementError(
                409,
                "ApplicationPackageExists",
                "The specified application package exists, and its application does not allow updates.",
            )
        # As on Azure the same version is always the same blob.
        record = former or _new_package(application, version, call.now)
        record = replace(record, state=PENDING, format=None, activated=None, changed=call.now)
        storage = self._require_storage()
        await run_in_threadpool(storage.ensure_container, record.container)
        self._applications.put_package(record)
        return json_response(self._describe(call, record))

    async def activate_package(self, call: _Call) -> Response:
        record = self._package(call)
        body = await _parse(call, _ActivationBody)
        if body.format.lower() != "zip":
            raise ManagementError(400, "InvalidPropertyValue", "The format of an application package must be 'zip'.")
        if not await run_in_threadpool(self._require_storage().exists, record.container, record.blob):
            raise ManagementError(
                409,
                "ApplicationPackageBlobNotFound",
                "The application package has not been uploaded to its storageUrl.",
            )
        active = replace(record, state=ACTIVE, format="zip", activated=call.now, changed=call.now)
        self._applications.put_package(active)
        return json_response(self._describe(call, active))

    async def delete_package(self, call: _Call) -> Response:
        application = self._application(call)
        record = self._applications.get_package(call.account, application.id, call.names["version"])
        if record is None:
            return Response(status_code=204)
        if application.default_version and application.default_version.lower() == record.version.lower():
            raise ManagementError(
                409, "ApplicationPackageIsDefault", "The default version of an application cannot be deleted."
            )
        self._applications.delete_package(call.account, application.id, record.version)
        if self._storage:
            await run_in_threadpool(self._storage.delete, record.container, record.blob)
        return Response()

    def _application(self, call: _Call) -> ApplicationRecord:
        record = self._applications.get(call.account, call.names["application"])
        if record is None:
            raise ManagementError(404, "ApplicationNotFound", "The specified application does not exist.")
        return record

    def _package(self, call: _Call) -> PackageRecord:
        application = self._application(call)
        record = self._applications.get_package(call.account, application.id, call.names["version"])
        if record is None:
            raise _no_package()
        return record

    def _existing_version(self, call: _Call, version: str | None) -> str | None:
        if not version:
            return None
        record = self._applications.get_package(call.account, call.names["application"], version)
        if record is None:
            raise _no_package()
        return record.version

    def _describe(self, call: _Call, record: PackageRecord) -> JsonObject:
        expiry = call.now + _LINK_LIFE
        link = self._storage.blob_link(record.container, record.blob, "rw", expiry) if self._storage else None
        return package_body(call.base_id, record, link, expiry)

    def _require_storage(self) -> AutoStorage:
        if self._storage is None:
            raise ManagementError(
                409,
                "AutoStorageNotConfigured",
                "The Batch account has no auto-storage account: the service was started with --no-storage.",
            )
        return self._storage


def _no_package() -> ManagementError:
    return ManagementError(404, "ApplicationPackageNotFound", "The specified application package does not exist.")


def _new_package(application: ApplicationRecord, version: str, now: datetime) -> PackageRecord:
    # The digest keeps apart what differs only in what container names cannot hold.
    digest = sha256(f"{application.account}/{application.id}".lower().encode()).hexdigest()[:24]
    readable = re.sub("-+", "-", re.sub("[^a-z0-9]", "-", application.id.lower())).strip("-")[:30].rstrip("-")
    return PackageRecord(
        account=application.account,
        application_id=application.id,
        version=version,
        state=PENDING,
        format=None,
        container=f"app-{readable}-{digest}" if readable else f"app-{digest}",
        blob=f"{version.lower()}.zip",
        activated=None,
        changed=now,
    )


def _page_size(request: Request) -> int:
    text = _query(request).get("maxresults")
    if text is None:
        return _LARGEST_PAGE
    if not text.isdecimal() or not 0 < int(text) <= _LARGEST_PAGE:
        raise ManagementError(400, "InvalidQueryParameterValue", "maxresults must be a number from 1 to 1000.")
    return int(text)


async def _parse_properties(call: _Call) -> _ApplicationProperties:
    return (await _parse(call, _ApplicationBody)).properties or _ApplicationProperties()


async def _parse(call: _Call, kind: type[_Kind]) -> _Kind:
    try:
        return kind.model_validate_json(await call.read())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"The request content was invalid: {where or 'body'}: {first['msg']}."
        raise ManagementError(400, "InvalidRequestContent", message) from error
