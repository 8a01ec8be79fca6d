import copy
import pickle
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.batch import BatchManagementClient
from pydantic import ValidationError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import BatchSharedKey, DefaultCredential, ManagedIdentity, ServicePrincipal
from prefect_azure_batch.blocks.errors import CredentialError

KEY = "aGlkZGVuIGtleQ=="
ENDPOINT = "https://lab.westeurope.batch.azure.com"
STORAGE = AzureStorageCredentials(account_url="https://lab.blob.core.windows.net", credential=DefaultCredential())
PRINCIPAL = ServicePrincipal(tenant_id="t", client_id="c", client_secret=KEY)


def make(credential: Any, endpoint: str = ENDPOINT, **fields: str) -> AzureBatchAccount:
    return AzureBatchAccount(endpoint=endpoint, credential=credential, storage=STORAGE, **fields)


def test_a_shared_key_over_plain_http_is_accepted_by_the_service(account: AzureBatchAccount) -> None:
    assert list(account.get_client().list_supported_images())


def test_a_wrong_key_is_refused_by_the_service_and_not_shown(account: AzureBatchAccount) -> None:
    wrong = make(BatchSharedKey(account_name=account.account_name, account_key=KEY), account.endpoint)
    with pytest.raises(HttpResponseError) as refused:
        list(wrong.get_client().list_pools())
    assert refused.value.status_code == 403
    assert KEY not in str(refused.value)


def test_copies_of_a_block_share_one_client_that_closing_does_not_harm(account: AzureBatchAccount) -> None:
    client = account.get_client()
    copies = [copy.deepcopy(account), account.model_copy(deep=True), pickle.loads(pickle.dumps(account))]
    assert [one.get_client() is client for one in copies] == [True] * 3
    with client:
        list(client.list_pools())
    list(account.get_client().list_pools())


def test_another_credential_gets_another_client() -> None:
    assert make(DefaultCredential()).get_client() is not make(ManagedIdentity()).get_client()


@pytest.mark.parametrize("credential", [DefaultCredential(), ManagedIdentity(), PRINCIPAL])
def test_kinds_with_tokens_reach_the_management_plane(credential: Any) -> None:
    block = make(credential, subscription_id="00000000-0000-0000-0000-000000000000")
    client = block.get_management_client()
    assert isinstance(client, BatchManagementClient)
    assert block.model_copy().get_management_client() is client


def test_a_shared_key_cannot_sign_in_to_the_management_plane() -> None:
    with pytest.raises(CredentialError, match="shared key cannot sign in"):
        make(BatchSharedKey(account_name="lab", account_key=KEY)).get_management_client()


def test_the_management_plane_needs_a_subscription() -> None:
    with pytest.raises(CredentialError, match="no subscription_id"):
        make(DefaultCredential(), subscription_id=" ").get_management_client()


def test_the_account_is_named_by_the_key_or_by_the_address() -> None:
    assert make(BatchSharedKey(account_name="own", account_key=KEY), "http://127.0.0.1:1").account_name == "own"
    assert make(DefaultCredential()).account_name == "lab"
    with pytest.raises(CredentialError, match="does not tell the name"):
        _ = make(DefaultCredential(), "https://batch.example.com").account_name


@pytest.mark.parametrize("credential", [BatchSharedKey(account_name="lab", account_key=KEY), PRINCIPAL])
def test_no_text_made_of_a_block_shows_its_secret(credential: Any) -> None:
    block = make(credential)
    revived = pickle.loads(pickle.dumps(block))
    texts = [repr(block), str(block), block.model_dump_json(), repr(revived)]
    assert [text for text in texts if "aGlkZGVu" in text] == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"endpoint": "lab.westeurope.batch.azure.com"}, "must begin with https://"),
        ({"endpoint": "http://127.0.0.1:1"}, "needs an https address"),
        ({"management_endpoint": "management"}, "management_endpoint 'management' must begin"),
        (
            {"credential": {"kind": "shared_key", "account_name": "bal", "account_key": KEY}},
            "of the Batch account 'lab', but the key is said to be of 'bal'",
        ),
        ({"credential": {"kind": "shared_key", "account_name": "lab", "account_key": "hidden!"}}, "not base64"),
        ({"storage": {"credential": {"kind": "sas", "sas_token": "hidden"}}}, "not a signature"),
    ],
)
def test_a_senseless_block_is_refused_in_one_line(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        AzureBatchAccount(**{"endpoint": ENDPOINT, "credential": {"kind": "default"}, "storage": STORAGE} | fields)
    (error,) = refused.value.errors(include_input=False)
    assert complaint in error["msg"]
    assert len(error["msg"].splitlines()) == 1
    assert KEY not in str(refused.value)
    assert "hidden" not in str(refused.value)
