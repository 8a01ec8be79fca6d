"""The upload stage."""

import uuid
from pathlib import Path

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.records import InputItem, StoredInput
from prefect_azure_batch.tasks.upload import INPUT_CONTAINER, blob_lister, upload_inputs
from tests.stages.conftest import found


def store(account: AzureBatchAccount, path: Path) -> list[StoredInput]:
    return upload_inputs(account.storage, found(path))


def content(account: AzureBatchAccount, stored: StoredInput) -> bytes:
    client = account.storage.get_client().get_blob_client(stored.container, stored.blob)
    return client.download_blob().readall()


def test_what_is_uploaded_is_what_was_there(account: AzureBatchAccount, two_files: Path) -> None:
    assert [content(account, stored) for stored in store(account, two_files)] == [b"alpha", b"beta gamma"]


def test_a_second_upload_sends_nothing(account: AzureBatchAccount, tmp_path: Path) -> None:
    (tmp_path / "new.txt").write_text(f"only here: {tmp_path}")
    first, second = store(account, tmp_path), store(account, tmp_path)
    assert (first[0].sent_bytes > 0, second[0].sent_bytes) == (True, 0)
    assert first[0].blob == second[0].blob


def test_two_inputs_of_one_name_do_not_collide(account: AzureBatchAccount, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.txt").write_text(folder)
    assert [content(account, stored) for stored in store(account, tmp_path)] == [b"one", b"two"]


def test_an_empty_file_is_uploaded(account: AzureBatchAccount, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert content(account, store(account, tmp_path)[0]) == b""


def test_a_blob_stays_where_it_is(account: AzureBatchAccount) -> None:
    item = InputItem(0, "az://data/x.txt", "x.txt", container="data", blob="x.txt", etag='"0x1"')
    assert upload_inputs(account.storage, [item]) == [StoredInput(0, item.label, "x.txt", "data", "x.txt", "0x1")]


def test_blobs_that_stand_for_directories_are_no_inputs(account: AzureBatchAccount) -> None:
    container = account.storage.get_client().create_container(f"c-{uuid.uuid4()}")
    try:
        for name in ("data", "data/deep"):
            container.upload_blob(name, b"", metadata={"hdi_isfolder": "true"})
        container.upload_blob("data/a.txt", b"a")
        items = find_inputs([f"az://{container.container_name}/data"], blob_lister(account.storage))
        assert [item.blob for item in items] == ["data/a.txt"]
    finally:
        container.delete_container()


def test_a_file_above_the_single_request_size_is_sent_in_blocks(account: AzureBatchAccount, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"0123456789abcdef" * (5 << 16) * 4)
    stored = store(account, tmp_path)[0]
    properties = account.storage.get_client().get_blob_client(stored.container, stored.blob).get_blob_properties()
    assert properties.size == stored.sent_bytes == 20 << 20


@pytest.mark.parametrize("name", ["two words", "größe", "a%b#c?d", "line\nbreak", "-n", "{x}"])
def test_any_file_name_can_be_uploaded(account: AzureBatchAccount, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(name)
    stored = store(account, tmp_path)[0]
    assert (content(account, stored).decode(), stored.name, stored.container) == (name, name, INPUT_CONTAINER)
