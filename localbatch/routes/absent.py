"""Operations of the Batch REST API that the service knows and does not emulate. Each says so with status 501."""

from starlette.responses import Response

from localbatch.not_emulated import refuse_operation
from localbatch.routes.call import Call, Handler

_OPERATIONS = (("POST", "/pools/{pool}/nodes/{node}/uploadbatchservicelogs"),)


def table() -> list[tuple[str, str, Handler]]:
    """Returns verb, path and handler of each operation."""
    return [(verb, path, _refusal(f"{verb} {path}")) for verb, path in _OPERATIONS]


def _refusal(operation: str) -> Handler:
    async def refuse(call: Call) -> Response:
        raise refuse_operation(operation)

    return refuse
