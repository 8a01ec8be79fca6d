"""Applications. On Azure only the management plane can create them."""

from dataclasses import replace

from starlette.responses import Response

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
from localbatch.routes.management.packages import find_application, no_package
from localbatch.routes.management.paths import ACCOUNT
from localbatch.service.accounts import Accounts
from localbatch.store.applications import ApplicationRecord, Applications
from localbatch.wire.formats import JsonObject


class _Properties(ArmBody):
    display_name: str | None = None
    allow_updates: bool | None = None
    default_version: str | None = None


class _Body(ArmResource):
    properties: _Properties | None = None
    tags: dict[str, str] | None = None


class ApplicationRoutes:
    """What can be done with applications.

    Args:
        accounts: the accounts they belong to.
        applications: the tables of applications and packages.
    """

    def __init__(self, accounts: Accounts, applications: Applications) -> None:
        self._accounts, self._applications = accounts, applications

    def table(self) -> list[tuple[str, str, ArmHandler]]:
        """Returns verb, path and handler of each operation."""
        path = f"{ACCOUNT}/applications/{{application}}"
        return [
            ("GET", f"{ACCOUNT}/applications", self._list),
            ("GET", path, self._get),
            ("PUT", path, self._put),
            ("PATCH", path, self._update),
            ("DELETE", path, self._delete),
        ]

    async def _list(self, call: ArmCall) -> Response:
        call.find_account(self._accounts)
        limit = call.page_size()
        after = call.query.get("$skiptoken", "")
        found = self._applications.list_all(call.account, after=after, limit=limit + 1)
        link = call.next_link(found[limit - 1].id) if len(found) > limit else None
        return listed([_view(call.base_id, record) for record in found[:limit]], link)

    async def _get(self, call: ArmCall) -> Response:
        return json_response(_view(call.base_id, self._find(call)))

    async def _put(self, call: ArmCall) -> Response:
        call.find_account(self._accounts)
        given = await _parse(call)
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
        return json_response(_view(call.base_id, record))

    async def _update(self, call: ArmCall) -> Response:
        given = await _parse(call)
        record = self._find(call)
        allow_updates = record.allow_updates if given.allow_updates is None else given.allow_updates
        if not record.allow_updates and not allow_updates:
            raise ManagementError(409, "ApplicationUpdatesNotAllowed", "The application does not allow updates.")
        changed = replace(record, allow_updates=allow_updates, changed=call.now)
        if "display_name" in given.model_fields_set:
            changed = replace(changed, display_name=given.display_name)
        if "default_version" in given.model_fields_set:
            changed = replace(changed, default_version=self._existing_version(call, given.default_version))
        self._applications.put(changed)
        return json_response(_view(call.base_id, changed))

    async def _delete(self, call: ArmCall) -> Response:
        call.find_account(self._accounts)
        name = call.names["application"]
        if self._applications.get(call.account, name) is None:
            return done(204)
        if self._applications.list_packages(call.account, name):
            raise ManagementError(
                409, "ApplicationHasPackages", "The application still has packages, which must be deleted first."
            )
        self._applications.delete(call.account, name)
        return done()

    def _find(self, call: ArmCall) -> ApplicationRecord:
        call.find_account(self._accounts)
        return find_application(self._applications, call)

    def _existing_version(self, call: ArmCall, version: str | None) -> str | None:
        if not version:
            return None
        record = self._applications.get_package(call.account, call.names["application"], version)
        if record is None:
            raise no_package()
        return record.version


async def _parse(call: ArmCall) -> _Properties:
    body = await call.parse(_Body)
    if body.tags:
        raise not_emulated("tags of applications")
    return body.properties or _Properties()


def _view(base_id: str, record: ApplicationRecord) -> JsonObject:
    properties: JsonObject = {"allowUpdates": record.allow_updates}
    if record.display_name is not None:
        properties["displayName"] = record.display_name
    if record.default_version is not None:
        properties["defaultVersion"] = record.default_version
    return {
        "id": f"{base_id}/applications/{record.id}",
        "name": record.id,
        "type": f"{ACCOUNT_TYPE}/applications",
        "etag": arm_etag(record.changed),
        "properties": properties,
    }
