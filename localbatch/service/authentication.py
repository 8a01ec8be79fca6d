"""Who calls the data plane: the account whose key signed a request, or the one a bearer token is shown to."""

import base64
import re
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit

from localbatch.service.accounts import AAD, SHARED_KEY, Accounts
from localbatch.wire.errors import ServiceError
from localbatch.wire.signature import signer, verify
from localbatch.wire.tokens import BATCH_AUDIENCE, TokenError, check_token

_HOST_OF_ACCOUNT = re.compile(r"([a-z0-9]{3,24})\.(?:[a-z0-9-]+\.)*(?:localhost|batch\.azure\.com)")


class Authentication:
    """Finds the account of each request.

    Args:
        accounts: all accounts.
        token_key: what bearer tokens are signed with.
        main_account: the account that bearer tokens are for where the host has no name of its own.
    """

    def __init__(self, accounts: Accounts, token_key: bytes, main_account: str) -> None:
        self._accounts, self._token_key, self._main_account = accounts, token_key, main_account

    def find_account(
        self, method: str, raw_path: bytes, query: bytes, headers: Mapping[str, str], now: datetime
    ) -> str:
        """Returns the account that a request is for, in small letters, as Azure's accounts have their names.

        Args:
            method: the HTTP verb in capitals.
            raw_path: path of the request target as sent.
            query: query of the request target as sent, without the question mark.
            headers: of the request, names in any case.
            now: the service's clock, with a time zone.

        Raises:
            ServiceError: ``AuthenticationFailed`` or ``AccountIsDisabled``.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            account = self._check_token(token.strip(), headers.get("host", ""))
            self._accounts.admit(account, AAD)
            return account
        account = (signer(headers) or "").lower()
        keys = [base64.b64decode(key) for key in self._accounts.keys(account)]
        verify(method, raw_path, query, headers, keys, now)
        self._accounts.admit(account, SHARED_KEY)
        return account

    def _check_token(self, token: str, host: str) -> str:
        if not self._accounts.tokens:
            raise _refusal("Bearer tokens are accepted where the service was started with --tokens.")
        try:
            check_token(token, self._token_key, [BATCH_AUDIENCE])
        except TokenError as error:
            raise _refusal(str(error)) from error
        return account_of_host(host) or self._main_account


def account_of_host(host: str) -> str | None:
    """Returns the account that a host such as ``name.localhost`` or ``name.region.batch.azure.com`` names.

    Args:
        host: the ``Host`` header.

    Returns:
        None for every other host.
    """
    found = _HOST_OF_ACCOUNT.fullmatch(urlsplit(f"//{host}").hostname or "")
    return found and found.group(1)


def _refusal(detail: str) -> ServiceError:
    return ServiceError("AuthenticationFailed", values=(("AuthenticationErrorDetail", detail),), status=401)
