"""User delegation keys, kept while they last: they sign links for those who sign in and hold no account key."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from azure.storage.blob import UserDelegationKey

from prefect_azure_batch.blocks.errors import CredentialError

LONGEST_LIFE = timedelta(days=7)
"""Azure's limit, counted from the key's start: https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key."""

_USUAL_LIFE = timedelta(days=1)
# Clocks differ: a key that starts now may not have started yet for the service.
_CLOCK_SLACK = timedelta(minutes=15)


def latest_expiry(now: datetime) -> datetime:
    """The latest end of a link that is signed now."""
    return now - _CLOCK_SLACK + LONGEST_LIFE


class DelegationKeys:
    """The key of one account, fetched anew only when a link must outlive it.

    Args:
        fetch: asks the service for a key with this start and end.
    """

    def __init__(self, fetch: Callable[[datetime, datetime], UserDelegationKey]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._key: UserDelegationKey | None = None
        self._expiry = datetime.min.replace(tzinfo=UTC)

    def lasting_until(self, expiry: datetime, now: datetime) -> UserDelegationKey:
        """A key that lives at least until then.

        Args:
            expiry: end of the link to sign, with a time zone.
            now: the time.

        Raises:
            CredentialError: no key can live that long.
        """
        start, longest = now - _CLOCK_SLACK, latest_expiry(now)
        if expiry > longest:
            raise CredentialError(
                "A link signed without an account key can live for seven days at most: "
                "ask for less time, or use an account key."
            )
        with self._lock:
            if self._key is None or self._expiry < expiry:
                wanted = min(max(expiry, now + _USUAL_LIFE), longest)
                self._key = self._fetch(start, wanted)
                self._expiry = wanted
            return self._key
