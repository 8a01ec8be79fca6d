from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest
from azure.storage.blob import UserDelegationKey

from prefect_azure_batch.blocks.delegation import LONGEST_LIFE, DelegationKeys
from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.blocks.signing import check_request, sign

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


class Service:
    """Gives keys, and remembers for which time."""

    def __init__(self) -> None:
        self.asked: list[tuple[datetime, datetime]] = []

    def __call__(self, start: datetime, expiry: datetime) -> UserDelegationKey:
        self.asked.append((start, expiry))
        key = UserDelegationKey()  # type: ignore[no-untyped-call]
        key.signed_oid, key.signed_tid, key.signed_service, key.signed_version = "oid", "tid", "b", "2024-11-04"
        key.signed_start, key.signed_expiry = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (start, expiry))
        key.value = "aGlkZGVuIGtleQ=="
        return key


@pytest.fixture
def service() -> Service:
    return Service()


def test_links_of_one_run_share_a_key(service: Service) -> None:
    keys = DelegationKeys(service)
    first = keys.lasting_until(NOW + timedelta(hours=1), NOW)
    assert keys.lasting_until(NOW + timedelta(hours=9), NOW + timedelta(hours=8)) is first
    assert len(service.asked) == 1


def test_a_link_that_outlives_the_key_gets_a_new_one(service: Service) -> None:
    keys = DelegationKeys(service)
    keys.lasting_until(NOW + timedelta(hours=1), NOW)
    keys.lasting_until(NOW + timedelta(days=3), NOW)
    assert service.asked[1][1] == NOW + timedelta(days=3)


def test_a_key_starts_early_for_clocks_that_differ_and_never_lives_longer_than_the_service_allows(
    service: Service,
) -> None:
    DelegationKeys(service).lasting_until(NOW + timedelta(days=6, hours=23), NOW)
    start, expiry = service.asked[0]
    assert start < NOW
    assert expiry - start <= LONGEST_LIFE


def test_a_link_for_longer_than_any_key_is_refused(service: Service) -> None:
    with pytest.raises(CredentialError, match="seven days at most"):
        DelegationKeys(service).lasting_until(NOW + timedelta(days=8), NOW)
    assert service.asked == []


def test_a_link_signed_by_a_delegation_key_names_the_signer_and_not_the_key(service: Service) -> None:
    key = DelegationKeys(service).lasting_until(NOW + timedelta(hours=1), NOW)
    token = sign(check_request("box", "a", "r", NOW + timedelta(hours=1), NOW), "lab", key, encrypted=True)
    query = parse_qs(token)
    assert (query["skoid"], query["sktid"], query["sp"]) == (["oid"], ["tid"], ["r"])
    assert "aGlkZGVu" not in token
