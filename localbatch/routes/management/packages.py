"""Application packages: one version of an application, uploaded to the Blob service and then activated."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from localbatch.engine.auto_storage import AutoStorage
from localbatch.routes.management.answers import (
    ACCOUNT_TYPE,
    ManagementError,
    arm_etag,
    done,
    json_response,
    listed,
    not_emulated,
)
from localbatch.routes.management.call import ArmBody, ArmCall, ArmHandler, ArmResource
from localbatch.routes.management.paths import ACCOUNT
from localbatch.service.accounts import Accounts
from localbatch.store.applications import ACTIVE, PENDING, ApplicationRecord, Applications, PackageRecord
from localbatch.wire.formats import JsonObject, format_time

_LINK_LIFE = timedelta(hours=4)


class _Activation(ArmBody):
    format: str


class _Body(ArmResource):
    properties: dict[str, Any] | None = None
    tags: dict[str, str] | None = None


class PackageRoutes:
    """What can be done with packages.

    Args:
        accounts: the accounts they belong to.
        applications: the tables of applications and packages.
        storage: the auto-storage account; None where the service runs without a Blob service.
    """

    def __init__(self, accounts: Accounts, applications: Applications, storage: AutoStorage | None) -> None:
        self._accounts, self._applications, self._storage = accounts, applications, storage

    def table(self) -> list[tuple[str, str, ArmHandler]]:
        """Returns verb, path and handler of each operation."""
        versions = f"{ACCOUNT}/applications/{{application}}/versions"
        path = f"{versions}/{{version}}"
        return [
            ("GET", versions, self._list),
            ("GET", path, self._get),
            ("PUT", path, self._put),
            ("DELETE", path, self._delete),
            ("POST", f"{path}/activate", self._activate),
        ]

    async def _list(self, call: ArmCall) -> Response:
        application = self._application(call)
        packages = self._applications.list_packages(call.account, application.id)
        return listed(*call.page_of([self._view(call, package) for package in packages]))

    async def _get(self, call: ArmCall) -> Response:
        return json_response(self._view(call, self._package(call)))

    async def _put(self, call: ArmCall) -> Response:
        application = self._application(call)
        if (await call.parse(_Body)).tags:
            raise not_emulated("tags of application packages")
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
        storage = require_storage(self._storage)
        await run_in_threadpool(storage.ensure_container, record.container)
        self._applications.put_package(record)
        return json_response(self._view(call, record))

    async def _activate(self, call: ArmCall) -> Response:
        record = self._package(call)
        body = await call.parse(_Activation)
        if body.format.lower() != "zip":
            raise ManagementError(400, "InvalidPropertyValue", "The format of an application package must be 'zip'.")
        if not await run_in_threadpool(require_storage(self._storage).exists, record.container, record.blob):
            raise ManagementError(
                409,
                "ApplicationPackageBlobNotFound",
                "The application package has not been uploaded to its storageUrl.",
            )
        active = replace(record, state=ACTIVE, format="zip", activated=call.now, changed=call.now)
        self._applications.put_package(active)
        return json_response(self._view(call, active))

    async def _delete(self, call: ArmCall) -> Response:
        application = self._application(call)
        record = self._applications.get_package(call.account, application.id, call.names["version"])
        if record is None:
            return done(204)
        if application.default_version and application.default_version.lower() == record.version.lower():
            raise ManagementError(
                409, "ApplicationPackageIsDefault", "The default version of an application cannot be deleted."
            )
        self._applications.delete_package(call.account, application.id, record.version)
        if self._storage:
            await run_in_threadpool(self._storage.delete, record.container, record.blob)
        return done()

    def _application(self, call: ArmCall) -> ApplicationRecord:
        call.find_account(self._accounts)
        return find_application(self._applications, call)

    def _package(self, call: ArmCall) -> PackageRecord:
        application = self._application(call)
        record = self._applications.get_package(call.account, application.id, call.names["version"])
        if record is None:
            raise no_package()
        return record

    def _view(self, call: ArmCall, record: PackageRecord) -> JsonObject:
        properties: JsonObject = {"state": record.state}
        if record.format is not None:
            properties["format"] = record.format
        if record.activated is not None:
            properties["lastActivationTime"] = format_time(record.activated)
        if self._storage is not None:
            expiry = call.now + _LINK_LIFE
            link = self._storage.blob_link(record.container, record.blob, "rw", expiry)
            properties |= {"storageUrl": link, "storageUrlExpiry": format_time(expiry)}
        return {
            "id": f"{call.base_id}/applications/{record.application_id}/versions/{record.version}",
            "name": record.version,
            "type": f"{ACCOUNT_TYPE}/applications/versions",
            "etag": arm_etag(record.changed),
            "properties": properties,
        }


def find_application(applications: Applications, call: ArmCall) -> ApplicationRecord:
    """Returns the application that the path names.

    Raises:
        ManagementError: there is none of that name.
    """
    record = applications.get(call.account, call.names["application"])
    if record is None:
        raise ManagementError(404, "ApplicationNotFound", "The specified application does not exist.")
    return record


def no_package() -> ManagementError:
    """Makes the refusal of a version that there isn't."""
    return ManagementError(404, "ApplicationPackageNotFound", "The specified application package does not exist.")


def require_storage(storage: AutoStorage | None) -> AutoStorage:
    """Returns the auto-storage account.

    Raises:
        ManagementError: the service runs without.
    """
    if storage is None:
        raise ManagementError(
            409,
            "AutoStorageNotConfigured",
            "The Batch account has no auto-storage account: the service was started with --no-storage.",
        )
    return storage


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
