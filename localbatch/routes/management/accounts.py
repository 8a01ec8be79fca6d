"""Batch accounts and their keys."""

from typing import Literal

from starlette.responses import Response

from localbatch.engine.context import Context
from localbatch.routes.management.account_settings import (
    AccountCreation,
    AccountUpdate,
    account_document,
    check_properties,
)
from localbatch.routes.management.answers import (
    ACCOUNT_TYPE,
    ManagementError,
    accepted,
    done,
    json_response,
    listed,
)
from localbatch.routes.management.call import ArmBody, ArmCall, ArmHandler, in_group, read_number
from localbatch.routes.management.packages import require_storage
from localbatch.routes.management.paths import ACCOUNT, GROUP, LOCATION, SUBSCRIPTION
from localbatch.rules.quotas import UNLIMITED, Quotas
from localbatch.service.accounts import Accounts
from localbatch.store.accounts import AccountRecord
from localbatch.wire.formats import JsonObject, JsonValue, format_time

_ANY_LOCATION = "local"
_ANY_GROUP = "localbatch"


class _KeyChoice(ArmBody):
    key_name: Literal["Primary", "Secondary"]


class AccountRoutes:
    """What can be done with accounts.

    Args:
        accounts: all accounts.
        context: the engine's surroundings, with storage and quotas.
    """

    def __init__(self, accounts: Accounts, context: Context) -> None:
        self._accounts, self._storage, self._quotas = accounts, context.storage, context.quotas

    def table(self) -> list[tuple[str, str, ArmHandler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", f"{SUBSCRIPTION}/batchAccounts", self._list),
            ("GET", f"{GROUP}/batchAccounts", self._list_in_group),
            ("GET", ACCOUNT, self._get),
            ("PUT", ACCOUNT, self._create),
            ("PATCH", ACCOUNT, self._update),
            ("DELETE", ACCOUNT, self._delete),
            ("POST", f"{ACCOUNT}/listKeys", self._list_keys),
            ("POST", f"{ACCOUNT}/regenerateKeys", self._regenerate_key),
            ("POST", f"{ACCOUNT}/syncAutoStorageKeys", self._synchronize_keys),
            ("GET", f"{LOCATION}/accountOperationResults/{{operation}}", self._get_result),
        ]

    async def _list(self, call: ArmCall) -> Response:
        subscription = call.names["subscription"].lower()
        return listed(
            [
                self._view(call, record)
                for record in self._accounts.all()
                if record.resource_group is None or record.resource_group.lower().startswith(f"{subscription}/")
            ]
        )

    async def _list_in_group(self, call: ArmCall) -> Response:
        return listed([self._view(call, record) for record in self._accounts.all() if in_group(record, call.group)])

    async def _get(self, call: ArmCall) -> Response:
        return json_response(self._view(call, call.find_account(self._accounts)))

    async def _create(self, call: ArmCall) -> Response:
        given = await call.parse(AccountCreation)
        self._check(given)
        former = self._accounts.find(call.account)
        if former is None:
            record = self._accounts.add(call.account, call.group, account_document({}, given, call.base_id))
            return accepted(self._result_link(call, record))
        if not in_group(former, call.group):
            raise ManagementError(409, "AccountNameTaken", "An account of that name exists in another resource group.")
        document = account_document(former.body, given, call.base_id)
        if former.body and document != former.body:
            message = "The account exists, and is not as it was to be created. It is changed by an update (PATCH)."
            raise ManagementError(409, "AccountExists", message)
        return json_response(self._view(call, self._accounts.change(former, document)))

    async def _update(self, call: ArmCall) -> Response:
        given = await call.parse(AccountUpdate)
        self._check(given)
        record = call.find_account(self._accounts)
        record = self._accounts.change(record, account_document(record.body, given, call.base_id))
        return json_response(self._view(call, record))

    async def _delete(self, call: ArmCall) -> Response:
        record = self._accounts.find(call.account)
        if record is None or not in_group(record, call.group):
            return done(204)
        self._accounts.delete(record)
        return accepted(self._result_link(call, record))

    async def _list_keys(self, call: ArmCall) -> Response:
        call.find_account(self._accounts)
        return json_response(self._keys(call))

    async def _regenerate_key(self, call: ArmCall) -> Response:
        record = call.find_account(self._accounts)
        choice = await call.parse(_KeyChoice)
        self._accounts.regenerate_key(record, second=choice.key_name == "Secondary")
        return json_response(self._keys(call))

    async def _synchronize_keys(self, call: ArmCall) -> Response:
        record = call.find_account(self._accounts)
        require_storage(self._storage)
        self._accounts.synchronize_storage_keys(record)
        return done(204)

    async def _get_result(self, call: ArmCall) -> Response:
        number = read_number(call.names["operation"].rpartition("-")[2])
        record = None if number is None else self._accounts.by_number(number)
        if record is None:
            return done(204)
        if record.state == "deleting":
            return accepted(self._result_link(call, record))
        return json_response(self._view(call, record))

    def _check(self, given: AccountUpdate) -> None:
        if given.properties is not None:
            storage = self._storage.account if self._storage else None
            check_properties(given.properties, storage, tokens=self._accounts.tokens)

    def _keys(self, call: ArmCall) -> JsonObject:
        primary, secondary = self._accounts.keys(call.account)
        return {"accountName": call.account, "primary": primary, "secondary": secondary}

    def _result_link(self, call: ArmCall, record: AccountRecord) -> str:
        path = LOCATION.format(subscription=call.names["subscription"], location=_location(record))
        return call.result_link(f"{path}/accountOperationResults/{record.name}-{record.seq}")

    def _view(self, call: ArmCall, record: AccountRecord) -> JsonObject:
        group = (
            call.names.get("group", _ANY_GROUP)
            if record.resource_group is None
            else record.resource_group.partition("/")[2]
        )
        group_id = f"/subscriptions/{call.names['subscription']}/resourceGroups/{group}"
        view: JsonObject = {
            "id": f"{group_id}/providers/{ACCOUNT_TYPE}/{record.name}",
            "name": record.name,
            "type": ACCOUNT_TYPE,
            "location": _location(record),
            "identity": record.body.get("identity", {"type": "None"}),
            "tags": record.body.get("tags", {}),
            "properties": {
                "accountEndpoint": call.request.url.netloc,
                "provisioningState": "Deleting" if record.state == "deleting" else "Succeeded",
                "poolAllocationMode": "BatchService",
                "publicNetworkAccess": "Enabled",
                "encryption": {"keySource": "Microsoft.Batch"},
                "privateEndpointConnections": [],
                "allowedAuthenticationModes": list[JsonValue](self._accounts.modes(record)),
                **quota_view(self._quotas),
                **self._storage_view(group_id, record),
            },
        }
        properties, given = view["properties"], record.body.get("properties")
        if isinstance(properties, dict) and isinstance(given, dict):
            view["properties"] = {**properties, **given}
        return view

    def _storage_view(self, group_id: str, record: AccountRecord) -> JsonObject:
        if self._storage is None:
            return {}
        storage: JsonObject = {
            "storageAccountId": f"{group_id}/providers/Microsoft.Storage/storageAccounts/{self._storage.account}",
            "lastKeySync": format_time(record.keys_synced or record.created),
            "authenticationMode": "StorageKeys",
        }
        return {"autoStorage": storage}


def quota_view(quotas: Quotas) -> JsonObject:
    """Shows quotas; one that is not enforced is the largest number there is."""
    families: list[JsonValue] = [{"name": name, "coreQuota": cores} for name, cores in quotas.family_cores.items()]
    return {
        "dedicatedCoreQuota": _number(quotas.dedicated_cores),
        "lowPriorityCoreQuota": _number(quotas.low_priority_cores),
        "dedicatedCoreQuotaPerVMFamily": families,
        "dedicatedCoreQuotaPerVMFamilyEnforced": bool(families),
        "poolQuota": _number(quotas.pools),
        "activeJobAndJobScheduleQuota": _number(quotas.active_jobs),
    }


def _number(quota: int | None) -> int:
    return UNLIMITED if quota is None else quota


def _location(record: AccountRecord) -> str:
    return str(record.body.get("location", _ANY_LOCATION))
