"""Signatures reach no error text, whatever storage does."""

import socket
import traceback

import pytest

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import StorageSas
from prefect_azure_batch.tasks.errors import ServiceFailure
from prefect_azure_batch.tasks.inputs import find_inputs
from prefect_azure_batch.tasks.upload import blob_lister

SIGNATURE = "aGlkZGVuIHNpZ25hdHVyZQ%3D%3D"
SAS = f"sv=2025-01-05&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00:00:00Z&sig={SIGNATURE}"


def test_storage_that_cannot_be_reached_is_told_without_the_signature() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    address = f"http://127.0.0.1:{port}/lab"
    storage = AzureStorageCredentials(account_url=address, credential=StorageSas(sas_token=SAS))
    with pytest.raises(ServiceFailure) as caught:
        find_inputs(["az://data/"], blob_lister(storage))
    told = "".join(traceback.format_exception(caught.value))
    assert "no answer" in told
    assert "sig=" not in told
    assert SIGNATURE not in told
