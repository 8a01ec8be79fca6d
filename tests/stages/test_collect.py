"""Files of tasks on their way here."""

import os
import uuid
from pathlib import Path

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.errors import ServiceFailure
from prefect_azure_batch.tasks.records import KeptFile, Place


@pytest.mark.parametrize("size", [0, 1, 28 << 20])
def test_a_file_of_any_size_is_fetched_whole(account: AzureBatchAccount, tmp_path: Path, size: int) -> None:
    bulk, place, content = account.storage.get_bulk(), Place(WORK_CONTAINER, uuid.uuid4().hex), os.urandom(size)
    container = transfer.ensure_container(bulk.service, WORK_CONTAINER)
    container.upload_blob(f"{place.folder}/a", content)
    for number in range(2):  # pieces of a large one come in another order each time
        found = transfer.fetch_kept(bulk, place, KeptFile("a", size), tmp_path / f"{number}")
        assert (tmp_path / f"{number}").read_bytes() == content
        assert found.md5 == transfer.file_md5(tmp_path / f"{number}")
    container.delete_blob(f"{place.folder}/a")


def test_another_content_than_was_kept_is_refused_and_no_file_appears(
    account: AzureBatchAccount, tmp_path: Path
) -> None:
    bulk, place = account.storage.get_bulk(), Place(WORK_CONTAINER, uuid.uuid4().hex)
    container = transfer.ensure_container(bulk.service, WORK_CONTAINER)
    container.upload_blob(f"{place.folder}/a", b"other")
    for kept in (KeptFile("a", 4), KeptFile("a", 5, "0" * 32)):
        with pytest.raises(ServiceFailure, match="did not arrive as it was kept") as raised:
            transfer.fetch_kept(bulk, place, kept, tmp_path / "a")
        assert raised.value.retryable
    assert list(tmp_path.iterdir()) == []
    container.delete_blob(f"{place.folder}/a")
