"""Operations of older versions that the service knows and does not emulate. Each says so with status 501.

Certificates, files for Remote Desktop and statistics of an account's whole life went before or with version 2025-06-01,
which does not know their paths.
"""

from starlette.responses import Response

from localbatch.routes.call import Call, Handler
from localbatch.rules.not_emulated import refuse_operation
from localbatch.wire.errors import ServiceError

_CERTIFICATE = "/certificates(thumbprintAlgorithm={algorithm},thumbprint={thumbprint})"
_OPERATIONS = (
    ("GET", "/certificates"),
    ("POST", "/certificates"),
    ("GET", _CERTIFICATE),
    ("DELETE", _CERTIFICATE),
    ("POST", f"{_CERTIFICATE}/canceldelete"),
    ("GET", "/pools/{pool}/nodes/{node}/rdp"),
    ("GET", "/lifetimepoolstats"),
    ("GET", "/lifetimejobstats"),
)


def table() -> list[tuple[str, str, Handler]]:
    """Returns verb, path and handler of each operation."""
    return [(verb, path, _refusal(f"{verb} {path}")) for verb, path in _OPERATIONS]


def _refusal(operation: str) -> Handler:
    async def refuse(call: Call) -> Response:
        if not call.is_older:
            raise ServiceError("InvalidUri")
        raise refuse_operation(operation)

    return refuse
