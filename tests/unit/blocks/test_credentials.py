import copy
import pickle
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from prefect_azure_batch.blocks.credentials import (
    BatchCredential,
    BatchSharedKey,
    DefaultCredential,
    ManagedIdentity,
    ServicePrincipal,
    StorageAccountKey,
    StorageConnectionString,
    StorageCredential,
    StorageSas,
    token_credential,
)

KEY = "aGlkZGVuIGtleQ=="
SAS = "sv=2024-11-04&ss=b&srt=co&sp=rl&sig=aGlkZGVuIGtleQ"
SECRET = "aGlkZGVu"

STORAGE: TypeAdapter[Any] = TypeAdapter(StorageCredential)
BATCH: TypeAdapter[Any] = TypeAdapter(BatchCredential)

SECRETIVE = [
    StorageAccountKey(account_name="lab", account_key=KEY),
    StorageConnectionString(connection_string=f"AccountName=lab;AccountKey={KEY}"),
    StorageSas(sas_token=SAS),
    BatchSharedKey(account_name="lab", account_key=KEY),
    ServicePrincipal(tenant_id="t", client_id="c", client_secret=SECRET),
]


class _Holder(BaseModel):
    # What the blocks do: the outermost model decides whether errors show their input.
    model_config = ConfigDict(hide_input_in_errors=True)

    credential: StorageCredential


def kind_of(credential: Any) -> str:
    return str(credential.kind)


@pytest.mark.parametrize(
    ("kind", "fields", "model"),
    [
        ("account_key", {"account_name": "lab", "account_key": KEY}, StorageAccountKey),
        ("connection_string", {"connection_string": f"AccountName=lab;AccountKey={KEY}"}, StorageConnectionString),
        ("sas", {"sas_token": SAS}, StorageSas),
        ("service_principal", {"tenant_id": "t", "client_id": "c", "client_secret": "s"}, ServicePrincipal),
        ("managed_identity", {}, ManagedIdentity),
        ("managed_identity", {"client_id": "c"}, ManagedIdentity),
        ("default", {}, DefaultCredential),
    ],
)
def test_the_kind_tells_which_credential_a_stored_one_is(kind: str, fields: dict[str, str], model: type) -> None:
    assert isinstance(STORAGE.validate_python({"kind": kind} | fields), model)


def test_batch_has_a_shared_key_and_the_kinds_with_tokens() -> None:
    found = BATCH.validate_python({"kind": "shared_key", "account_name": "lab", "account_key": KEY})
    assert isinstance(found, BatchSharedKey)
    with pytest.raises(ValidationError):
        BATCH.validate_python({"kind": "sas", "sas_token": SAS})


@pytest.mark.parametrize("credential", SECRETIVE, ids=kind_of)
def test_no_text_made_of_a_credential_shows_its_secret(credential: Any) -> None:
    revived = pickle.loads(pickle.dumps(credential))
    texts = [repr(credential), str(credential), f"{credential}", credential.model_dump_json(), repr(revived)]
    assert [text for text in texts if SECRET in text] == []


@pytest.mark.parametrize("credential", SECRETIVE, ids=kind_of)
def test_copies_are_equal_and_found_by_value(credential: Any) -> None:
    copies = [copy.deepcopy(credential), pickle.loads(pickle.dumps(credential)), credential.model_copy()]
    assert {credential, *copies} == {credential}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"kind": "account_key", "account_name": "lab", "account_key": "hidden!"}, "not base64"),
        ({"kind": "account_key", "account_name": "lab", "account_key": "hiddén"}, "not base64"),
        ({"kind": "account_key", "account_name": "lab", "account_key": " "}, "empty"),
        ({"kind": "account_key", "account_name": "a b", "account_key": KEY}, "pattern"),
        ({"kind": "connection_string", "connection_string": "hidden"}, "Name=Value"),
        ({"kind": "connection_string", "connection_string": "AccountName=a;AccountKey=hidden!"}, "not base64"),
        ({"kind": "sas", "sas_token": "hidden"}, "not a signature"),
        ({"kind": "service_principal", "client_id": "c", "client_secret": "hidden"}, "required"),
        ({"kind": "key", "account_key": "hidden"}, "expected tags"),
        ({"account_name": "lab", "account_key": "hidden"}, "not base64"),
        ({}, "discriminator"),
    ],
)
def test_a_bad_credential_is_refused_in_one_line_without_its_secret(fields: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        _Holder(credential=fields)
    (error,) = refused.value.errors(include_input=False)
    assert complaint in error["msg"]
    assert len(error["msg"].splitlines()) == 1
    assert "hidd" not in str(refused.value)


def test_what_is_pasted_with_blanks_around_it_is_taken() -> None:
    key = StorageAccountKey(account_name=" lab ", account_key=f"{KEY}\n")
    assert (key.account_name, key.account_key.get_secret_value()) == ("lab", KEY)
    assert StorageSas(sas_token=f"?{SAS}\n").sas_token.get_secret_value() == SAS


def test_a_client_id_left_blank_in_a_form_means_the_system_assigned_identity() -> None:
    assert ManagedIdentity(client_id=" ").client_id is None


@pytest.mark.parametrize(
    ("credential", "sdk"),
    [
        (ServicePrincipal(tenant_id="t", client_id="c", client_secret="s"), "ClientSecretCredential"),
        (ManagedIdentity(), "ManagedIdentityCredential"),
        (ManagedIdentity(client_id="c"), "ManagedIdentityCredential"),
        (DefaultCredential(), "DefaultAzureCredential"),
    ],
)
def test_each_kind_with_tokens_has_a_credential_of_the_sdk_that_is_made_once(
    credential: ServicePrincipal | ManagedIdentity | DefaultCredential, sdk: str
) -> None:
    made = token_credential(credential)
    assert type(made).__name__ == sdk
    assert token_credential(credential.model_copy()) is made
