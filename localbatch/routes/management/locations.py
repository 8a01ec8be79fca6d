"""What a region offers: how many accounts, which VM sizes, which names. All regions are alike."""

import re

from starlette.responses import Response

from localbatch.routes.management.answers import ACCOUNT_TYPE, json_response, listed
from localbatch.routes.management.call import ArmBody, ArmCall, ArmHandler
from localbatch.routes.management.paths import LOCATION
from localbatch.rules import filters
from localbatch.rules.quotas import UNLIMITED
from localbatch.rules.vm_sizes import VmSize, known_sizes
from localbatch.service.accounts import Accounts
from localbatch.wire.filters import compile_filter
from localbatch.wire.formats import JsonObject

_NAME = re.compile("[a-z0-9]{3,24}")


class _Name(ArmBody):
    name: str
    type: str


class LocationRoutes:
    """What can be asked of a region.

    Args:
        accounts: all accounts.
    """

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def table(self) -> list[tuple[str, str, ArmHandler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", f"{LOCATION}/quotas", self._get_quotas),
            ("GET", f"{LOCATION}/virtualMachineSkus", self._list_sizes),
            ("POST", f"{LOCATION}/checkNameAvailability", self._check_name),
        ]

    async def _get_quotas(self, call: ArmCall) -> Response:
        return json_response({"accountQuota": UNLIMITED})

    async def _list_sizes(self, call: ArmCall) -> Response:
        passes = compile_filter(call.query.get("$filter", ""), filters.VM_SKUS)
        views = [view for view in map(_size_view, known_sizes()) if passes(view)]
        return listed(*call.page_of(views))

    async def _check_name(self, call: ArmCall) -> Response:
        given = await call.parse(_Name)
        if given.type.lower() != ACCOUNT_TYPE.lower():
            return _unavailable("Invalid", f"The type must be {ACCOUNT_TYPE}.")
        if not _NAME.fullmatch(given.name):
            return _unavailable("Invalid", "An account's name has 3 to 24 lower-case letters and digits.")
        if self._accounts.find(given.name) is not None:
            return _unavailable("AlreadyExists", f"The name {given.name} is already in use.")
        return json_response({"nameAvailable": True})


def _unavailable(reason: str, message: str) -> Response:
    return json_response({"nameAvailable": False, "reason": reason, "message": message})


def _size_view(size: VmSize) -> JsonObject:
    capabilities: dict[str, object] = {
        "vCPUs": size.cores,
        "MemoryGB": f"{size.memory:g}",
        "LowPriorityCapable": True,
    }
    return {
        "name": size.name,
        "familyName": size.family,
        "capabilities": [{"name": name, "value": str(value)} for name, value in capabilities.items()],
    }
