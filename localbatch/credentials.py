"""Credentials of azure-core for the local Azure: what Azure's SDKs ask for tokens."""

from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from azure.core.credentials import AccessToken

from localbatch.wire.tokens import LIFETIME, audience_of, make_token


class LocalCredential:
    """A ``TokenCredential``. Its tokens are for the service that the scope names, and good for nothing on Azure.

    Args:
        key: what they are signed with.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """Makes a token for the first scope."""
        begin = datetime.now(UTC)
        return AccessToken(make_token(self._key, audience_of(scopes[0]), begin), int((begin + LIFETIME).timestamp()))


class AsyncLocalCredential:
    """An ``AsyncTokenCredential``, for the clients in ``azure.batch.aio`` and ``azure.mgmt.batch.aio``.

    Args:
        key: what its tokens are signed with.
    """

    def __init__(self, key: bytes) -> None:
        self._credential = LocalCredential(key)

    async def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        """Makes a token for the first scope."""
        return self._credential.get_token(*scopes, **kwargs)

    async def close(self) -> None:
        """Has nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self.close()
