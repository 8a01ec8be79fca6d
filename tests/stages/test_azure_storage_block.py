import copy
import hashlib
import logging
import pickle
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import (
    AccountSasPermissions,
    BlobClient,
    ContainerClient,
    ResourceTypes,
    generate_account_sas,
)
from pydantic import SecretStr, ValidationError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import (
    DefaultCredential,
    ManagedIdentity,
    ServicePrincipal,
    StorageAccountKey,
    StorageConnectionString,
    StorageSas,
)
from prefect_azure_batch.blocks.errors import CredentialError
from tests.support.hostile import HOSTILE_NAMES

KEY = "aGlkZGVuIGtleQ=="
URL = "https://lab.blob.core.windows.net"
CONTAINER = "block-tests"


@pytest.fixture(scope="module")
def by_key(account: AzureBatchAccount) -> AzureStorageCredentials:
    container = account.storage.get_client().get_container_client(CONTAINER)
    if not container.exists():
        container.create_container()
    return account.storage


@pytest.fixture(scope="module")
def by_connection_string(by_key: AzureStorageCredentials) -> AzureStorageCredentials:
    text = f"AccountName={by_key.account_name};AccountKey={key_of(by_key)};BlobEndpoint={by_key.blob_endpoint}/"
    return AzureStorageCredentials(credential=StorageConnectionString(connection_string=text))


@pytest.fixture(scope="module")
def by_sas(by_key: AzureStorageCredentials) -> AzureStorageCredentials:
    token = generate_account_sas(
        by_key.account_name,
        key_of(by_key),
        ResourceTypes(container=True, object=True),
        AccountSasPermissions(read=True, create=True, write=True, list=True),
        in_hours(3),
    )
    return AzureStorageCredentials(account_url=by_key.blob_endpoint, credential=StorageSas(sas_token=token))


@pytest.fixture(params=["by_key", "by_connection_string", "by_sas"])
def storage(request: pytest.FixtureRequest) -> AzureStorageCredentials:
    found: AzureStorageCredentials = request.getfixturevalue(request.param)
    return found


def key_of(storage: AzureStorageCredentials) -> str:
    assert isinstance(storage.credential, StorageAccountKey)
    return storage.credential.account_key.get_secret_value()


def in_hours(hours: float) -> datetime:
    return datetime.now(UTC) + timedelta(hours=hours)


def make(credential: Any, account_url: str | None = URL) -> AzureStorageCredentials:
    return AzureStorageCredentials(account_url=account_url, credential=credential)


def test_each_kind_writes_and_reads_blobs(storage: AzureStorageCredentials) -> None:
    blob = storage.get_client().get_blob_client(CONTAINER, "written.txt")
    blob.upload_blob(b"here", overwrite=True)
    assert blob.download_blob().readall() == b"here"


def test_each_kind_sends_lists_and_fetches_many_blobs(storage: AzureStorageCredentials) -> None:
    bulk, folder = storage.get_bulk(), uuid.uuid4().hex
    for number in range(3):
        bulk.put(CONTAINER, f"{folder}/{number}", b"%d" % number)
    listed = list(bulk.list(CONTAINER, f"{folder}/", at_once=2))  # in two pages
    assert [blob.name for blob in listed] == [f"{folder}/{number}" for number in range(3)]
    assert [bulk.get(CONTAINER, blob.name) for blob in listed] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "a//b"])
def test_a_blob_of_any_name_is_sent_listed_and_fetched_as_the_sdk_does(
    by_key: AzureStorageCredentials, name: str
) -> None:
    bulk, container = by_key.get_bulk(), f"c-{uuid.uuid4()}"
    client = by_key.get_client().create_container(container)
    try:
        bulk.put(container, name, name.encode())
        (listed,) = bulk.list(container, "")
        (known,) = client.list_blobs()
        assert (listed.name, listed.size, listed.etag) == (known.name, known.size, known.etag)
        assert listed.md5 == hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        assert bulk.get(container, name) == client.download_blob(name).readall() == name.encode()
    finally:
        client.delete_container()


def test_what_storage_refuses_is_the_error_that_the_sdk_raises(by_key: AzureStorageCredentials) -> None:
    bulk, there = by_key.get_bulk(), uuid.uuid4().hex
    bulk.put(CONTAINER, there, b"first")
    stranger = make(StorageAccountKey(account_name=by_key.account_name, account_key=KEY), by_key.blob_endpoint)
    client, strange = by_key.get_client(), stranger.get_client()
    pairs: list[tuple[Callable[[], object], Callable[[], object]]] = [
        (
            lambda: bulk.put(CONTAINER, there, b"second"),
            lambda: client.get_blob_client(CONTAINER, there).upload_blob(b"second"),
        ),
        (
            lambda: bulk.get(CONTAINER, "not there"),
            lambda: client.get_blob_client(CONTAINER, "not there").download_blob(),
        ),
        (
            lambda: next(bulk.list("not-there", "")),
            lambda: next(iter(client.get_container_client("not-there").list_blobs())),
        ),
        (
            lambda: stranger.get_bulk().get(CONTAINER, there),
            lambda: strange.get_blob_client(CONTAINER, there).download_blob(),
        ),
    ]
    assert [error_of(ours) for ours, _ in pairs] == [error_of(sdks) for _, sdks in pairs]
    assert bulk.get(CONTAINER, there) == b"first"


def error_of(call: Callable[[], object]) -> tuple[type, str, int | None, str]:
    with pytest.raises(HttpResponseError) as raised:
        call()
    error = raised.value
    code = getattr(error, "error_code", "")
    return type(error), str(getattr(code, "value", code)), error.status_code, error.message.splitlines()[0]


def test_a_signed_link_reads_its_blob(storage: AzureStorageCredentials) -> None:
    storage.get_client().get_blob_client(CONTAINER, "linked.txt").upload_blob(b"linked", overwrite=True)
    with BlobClient.from_blob_url(storage.sign_blob(CONTAINER, "linked.txt", "r", in_hours(1))) as linked:
        assert linked.download_blob().readall() == b"linked"


def test_a_container_link_writes_any_blob_and_no_more(by_key: AzureStorageCredentials) -> None:
    link = by_key.sign_container(CONTAINER, "cw", in_hours(1))
    with ContainerClient.from_container_url(link) as container:
        container.upload_blob("out/by link.txt", b"out", overwrite=True)
        with pytest.raises(HttpResponseError) as refused:
            container.download_blob("out/by link.txt")
    assert refused.value.status_code == 403


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_link_reaches_a_blob_of_any_name(by_key: AzureStorageCredentials, name: str) -> None:
    by_key.get_client().get_blob_client(CONTAINER, name).upload_blob(name.encode(), overwrite=True)
    with BlobClient.from_blob_url(by_key.sign_blob(CONTAINER, name, "r", in_hours(1))) as linked:
        assert linked.download_blob().readall() == name.encode()


def test_a_sas_is_not_passed_on_for_longer_than_it_lives(by_sas: AzureStorageCredentials) -> None:
    with pytest.raises(CredentialError, match="before the link"):
        by_sas.sign_blob(CONTAINER, "a", "r", in_hours(5))


def test_copies_of_a_block_share_one_client(by_key: AzureStorageCredentials) -> None:
    client = by_key.get_client()
    copies = [copy.deepcopy(by_key), by_key.model_copy(deep=True), pickle.loads(pickle.dumps(by_key))]
    assert [one.get_client() is client for one in copies] == [True] * 3


def test_closing_the_client_does_no_harm(by_key: AzureStorageCredentials) -> None:
    with by_key.get_client() as client:
        assert client.get_container_client(CONTAINER).exists()
    assert by_key.get_client().get_container_client(CONTAINER).exists()


@pytest.mark.timeout(30)
def test_a_dead_service_is_given_up_within_seconds_not_minutes(unused_tcp_port: int) -> None:
    storage = make(StorageAccountKey(account_name="lab", account_key=KEY), f"http://127.0.0.1:{unused_tcp_port}/lab")
    with pytest.raises(AzureError):
        storage.get_client().get_container_client("x").exists()


def test_no_secret_reaches_a_log(storage: AzureStorageCredentials, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        storage.get_client().get_container_client(CONTAINER).exists()
        next(storage.get_bulk().list(CONTAINER, ""), None)
        link = storage.sign_blob(CONTAINER, "a", "r", in_hours(1))
        with BlobClient.from_blob_url(link) as linked:
            linked.exists()
    signature = urlsplit(link).query.partition("sig=")[2].partition("&")[0]
    # At level DEBUG urllib3 itself writes whole addresses; nothing of ours sets that level.
    lines = [record.getMessage() for record in caplog.records if not record.name.startswith("urllib3")]
    assert [line for line in lines if signature in line or "AccountKey" in line] == []


@pytest.mark.parametrize(
    "credential",
    [
        StorageAccountKey(account_name="lab", account_key=KEY),
        StorageConnectionString(connection_string=f"AccountName=lab;AccountKey={KEY}"),
        StorageSas(sas_token=f"sv=1&ss=b&srt=co&sig={KEY}"),
        ServicePrincipal(tenant_id="t", client_id="c", client_secret=KEY),
    ],
)
def test_no_text_made_of_a_block_shows_its_secret(credential: Any) -> None:
    block = make(credential, None if isinstance(credential, StorageConnectionString) else URL)
    revived = pickle.loads(pickle.dumps(block))
    texts = [repr(block), str(block), block.model_dump_json(), str(block.model_dump()), repr(revived), str(revived)]
    assert [text for text in texts if "aGlkZGVu" in text] == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"credential": {"kind": "default"}}, "account_url is missing"),
        ({"account_url": "", "credential": {"kind": "default"}}, "account_url is missing"),
        ({"account_url": "lab", "credential": {"kind": "default"}}, "must begin with https://"),
        ({"account_url": f"{URL}/box", "credential": {"kind": "default"}}, "no container"),
        ({"account_url": f"{URL}/?sv=1&sig=hidden", "credential": {"kind": "default"}}, "holds a query"),
        ({"account_url": "http://127.0.0.1:1/lab", "credential": {"kind": "default"}}, "needs an https address"),
        (
            {"account_url": URL, "credential": {"kind": "account_key", "account_name": "bal", "account_key": KEY}},
            "of the storage account 'lab', but the key is said to be of 'bal'",
        ),
        (
            {
                "account_url": URL,
                "credential": {"kind": "connection_string", "connection_string": f"AccountName=bal;AccountKey={KEY}"},
            },
            "leave account_url out",
        ),
    ],
)
def test_a_senseless_block_is_refused_in_one_line(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        AzureStorageCredentials(**fields)
    (error,) = refused.value.errors(include_input=False)
    assert complaint in error["msg"]
    assert len(error["msg"].splitlines()) == 1
    assert KEY not in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_a_domain_of_ones_own_works_with_a_key_and_names_no_account_without() -> None:
    assert (
        make(StorageAccountKey(account_name="lab", account_key=KEY), "https://data.example.com").account_name == "lab"
    )
    with pytest.raises(CredentialError, match="does not tell the name"):
        _ = make(DefaultCredential(), "https://data.example.com").account_name


@pytest.mark.parametrize(
    "credential",
    [
        DefaultCredential(),
        ManagedIdentity(client_id="c"),
        ServicePrincipal(tenant_id="t", client_id="c", client_secret="s"),
    ],
)
def test_kinds_with_tokens_get_a_client_for_their_address(credential: Any) -> None:
    assert make(credential).get_client().url == f"{URL}/"


class Stranger:
    """The public fields of prefect-azure's AzureBlobStorageCredentials."""

    def __init__(self, **fields: Any) -> None:
        self.connection_string: SecretStr | None = None
        self.account_url: str | None = None
        self.client_id: str | None = None
        self.tenant_id: str | None = None
        self.client_secret: SecretStr | None = None
        self.__dict__.update(fields)


def test_a_prefect_azure_block_with_a_connection_string_is_accepted() -> None:
    secret = SecretStr(f"AccountName=lab;AccountKey={KEY}")
    block = AzureStorageCredentials.from_prefect_azure(Stranger(connection_string=secret))
    assert (block.account_name, block.blob_endpoint, block.credential.kind) == ("lab", URL, "connection_string")


def test_a_prefect_azure_block_with_a_service_principal_is_accepted() -> None:
    stranger = Stranger(account_url=URL, client_id="c", tenant_id="t", client_secret=SecretStr("s"))
    block = AzureStorageCredentials.from_prefect_azure(stranger)
    assert block.credential == ServicePrincipal(tenant_id="t", client_id="c", client_secret="s")


def test_a_prefect_azure_block_with_an_address_alone_signs_in_by_default() -> None:
    assert AzureStorageCredentials.from_prefect_azure(Stranger(account_url=URL)).credential == DefaultCredential()


def test_the_real_block_of_prefect_azure_is_accepted_where_it_is_installed() -> None:
    package = pytest.importorskip("prefect_azure")
    theirs = package.AzureBlobStorageCredentials(connection_string=f"AccountName=lab;AccountKey={KEY}")
    assert AzureStorageCredentials.from_prefect_azure(theirs).account_name == "lab"


def test_something_else_is_refused_in_place_of_a_prefect_azure_block() -> None:
    with pytest.raises(CredentialError, match="A str has neither"):
        AzureStorageCredentials.from_prefect_azure("AccountName=lab")
