"""Operations of the management plane that are known and not emulated. Each says so with status 501."""

from starlette.responses import Response

from localbatch.routes.management.answers import not_emulated
from localbatch.routes.management.call import ArmCall, ArmHandler
from localbatch.routes.management.paths import ACCOUNT

_CONNECTION = f"{ACCOUNT}/privateEndpointConnections/{{name}}"
_PERIMETER = f"{ACCOUNT}/networkSecurityPerimeterConfigurations"
_CERTIFICATE = f"{ACCOUNT}/certificates/{{name}}"
_OPERATIONS = (
    ("GET", f"{ACCOUNT}/certificates", "certificates"),
    ("GET", _CERTIFICATE, "certificates"),
    ("PUT", _CERTIFICATE, "certificates"),
    ("PATCH", _CERTIFICATE, "certificates"),
    ("DELETE", _CERTIFICATE, "certificates"),
    ("POST", f"{_CERTIFICATE}/cancelDelete", "certificates"),
    ("GET", f"{ACCOUNT}/detectors", "detectors"),
    ("GET", f"{ACCOUNT}/detectors/{{name}}", "detectors"),
    ("GET", f"{ACCOUNT}/outboundNetworkDependenciesEndpoints", "outbound network dependencies"),
    ("GET", f"{ACCOUNT}/privateLinkResources", "private links"),
    ("GET", f"{ACCOUNT}/privateLinkResources/{{name}}", "private links"),
    ("GET", f"{ACCOUNT}/privateEndpointConnections", "private endpoint connections"),
    ("GET", _CONNECTION, "private endpoint connections"),
    ("PATCH", _CONNECTION, "private endpoint connections"),
    ("DELETE", _CONNECTION, "private endpoint connections"),
    ("GET", _PERIMETER, "network security perimeters"),
    ("GET", f"{_PERIMETER}/{{name}}", "network security perimeters"),
    ("POST", f"{_PERIMETER}/{{name}}/reconcile", "network security perimeters"),
)


def table() -> list[tuple[str, str, ArmHandler]]:
    """Returns verb, path and handler of each operation."""
    return [(verb, path, _refusal(what)) for verb, path, what in _OPERATIONS]


def _refusal(what: str) -> ArmHandler:
    async def refuse(call: ArmCall) -> Response:
        raise not_emulated(what)

    return refuse
