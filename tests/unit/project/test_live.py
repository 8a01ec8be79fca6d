"""The variables of a real account, and what its tests may cost."""

import pytest

from prefect_azure_batch.blocks.credentials import BatchSharedKey, DefaultCredential, StorageAccountKey
from tests.support.live import Ceiling, LiveVariables

KEY = "aGlkZGVuIGtleQ=="
AZURE = {
    "AZURE_BATCH_LIVE_ENDPOINT": "https://lab.westeurope.batch.azure.com",
    "AZURE_BATCH_LIVE_STORAGE_URL": "https://labdata.blob.core.windows.net",
}
KEYS = {"AZURE_BATCH_LIVE_KEY": KEY, "AZURE_BATCH_LIVE_STORAGE_KEY": KEY}


def test_without_its_variables_there_is_no_real_account() -> None:
    assert LiveVariables.read({"PATH": "/usr/bin", "AZURE_CLIENT_ID": "x"}) is None


def test_without_keys_the_sign_in_that_is_found_is_used() -> None:
    variables = LiveVariables.read(AZURE | {"AZURE_BATCH_LIVE_MINUTES": "30"})
    assert variables is not None
    assert variables.minutes == 30
    assert variables.block().credential == DefaultCredential()
    assert variables.block().storage.credential == DefaultCredential()


def test_keys_are_of_the_accounts_that_the_addresses_name_and_are_not_shown() -> None:
    variables = LiveVariables.read(AZURE | KEYS)
    assert variables is not None
    batch, storage = variables.block().credential, variables.block().storage.credential
    assert isinstance(batch, BatchSharedKey)
    assert isinstance(storage, StorageAccountKey)
    assert (batch.account_name, storage.account_name) == ("lab", "labdata")
    assert KEY not in repr(variables)


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"AZURE_BATCH_LIVE_KEY": KEY}, "AZURE_BATCH_LIVE_ENDPOINT: Field required"),
        (AZURE | {"AZURE_BATCH_LIVE_VMSIZE": "x"}, "AZURE_BATCH_LIVE_VMSIZE: .* may be: .*VM_SIZE"),
        (AZURE | {"AZURE_BATCH_LIVE_MINUTES": "long"}, "AZURE_BATCH_LIVE_MINUTES: Input should be a valid number"),
        (AZURE | KEYS | {"AZURE_BATCH_LIVE_ENDPOINT": "http://127.0.0.1:1"}, "AZURE_BATCH_LIVE_ACCOUNT is missing"),
    ],
)
def test_a_variable_that_is_missing_unknown_or_wrong_is_named(variables: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        LiveVariables.read(variables)
    assert "\n" not in str(refused.value)
    assert KEY not in str(refused.value)


def test_no_more_nodes_are_asked_for_at_a_time_than_the_ceiling_allows() -> None:
    ceiling = Ceiling(nodes=3, minutes=60)
    with ceiling.taking(1, 20), ceiling.taking(2, 20), pytest.raises(AssertionError, match="1 nodes besides 3"):
        ceiling.taking(1, 20).__enter__()
    with ceiling.taking(3, 20):
        pass


def test_nothing_begins_that_would_outlast_the_suite() -> None:
    ceiling = Ceiling(nodes=3, minutes=60)
    ceiling.began -= 45 * 60
    with ceiling.taking(1, 10):
        pass
    with pytest.raises(AssertionError, match="20 minutes are more than the 15"):
        ceiling.taking(1, 20).__enter__()
