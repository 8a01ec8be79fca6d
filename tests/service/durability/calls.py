"""Calls of which only the answer is known, if there is one."""

from typing import Any

from azure.core.exceptions import AzureError

from tests.service.durability.belief import Answer
from tests.support.account import Account

_REFUSED = (404, 409)


class Caller:
    """Makes calls and counts them.

    Attributes:
        made: how many.
        lost: how many had no answer.
        document: the body of the last answer.
    """

    def __init__(self) -> None:
        self.made = self.lost = 0
        self.document: dict[str, Any] = {}

    def send(self, account: Account, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        """Makes one call.

        Raises:
            AssertionError: it was refused for a reason that no state explains.
        """
        self.made += 1
        try:
            response = account.send(method, path) if body is None else account.send(method, path, json=body)
        except AzureError:
            self.lost += 1
            return Answer.LOST
        if response.status_code < 300:
            self.document = response.json() if method == "GET" else {}
            return Answer.DONE
        assert response.status_code in _REFUSED, f"{method} {path}: {response.status_code} {response.text()}"
        return Answer.REFUSED
