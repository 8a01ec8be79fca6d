"""The operations of the resource provider, as ``Operations_List`` tells them."""

from starlette.responses import Response

from localbatch.routes.management.answers import listed
from localbatch.routes.management.call import ArmCall, ArmHandler
from localbatch.wire.formats import JsonObject

_OPERATIONS = (
    ("batchAccounts", "Batch Account", "read write delete listkeys/action regeneratekeys/action"),
    ("batchAccounts", "Batch Account", "syncAutoStorageKeys/action"),
    ("batchAccounts/applications", "Application", "read write delete"),
    ("batchAccounts/applications/versions", "Application Package", "read write delete activate/action"),
    ("batchAccounts/pools", "Pool", "read write delete stopResize/action disableAutoscale/action"),
    ("locations", "Location", "checkNameAvailability/action"),
    ("locations/quotas", "Location Quota", "read"),
    ("locations/virtualMachineSkus", "Virtual Machine SKU", "read"),
    ("operations", "Operation", "read"),
)


def table() -> list[tuple[str, str, ArmHandler]]:
    """Returns verb, path and handler of the operation."""
    return [("GET", "/providers/Microsoft.Batch/operations", _list)]


async def _list(call: ArmCall) -> Response:
    return listed([_view(path, resource, verb) for path, resource, verbs in _OPERATIONS for verb in verbs.split()])


def _view(path: str, resource: str, verb: str) -> JsonObject:
    action = verb.partition("/")[0]
    return {
        "name": f"Microsoft.Batch/{path}/{verb}",
        "isDataAction": False,
        "display": {
            "provider": "Microsoft Batch",
            "resource": resource,
            "operation": f"{action[0].upper()}{action[1:]} {resource}",
        },
    }
