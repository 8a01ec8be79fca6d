"""Results that stay in storage, as an asset of Prefect: each run that has stored some has materialized it once more."""

import re
from collections.abc import Sequence
from typing import Any

from prefect.assets import add_asset_metadata
from prefect.types import ValidAssetKey
from pydantic import TypeAdapter, ValidationError

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.flows.parameters import RunParameters
from prefect_azure_batch.flows.result_index import ResultIndex, store_index, store_index_task
from prefect_azure_batch.tasks.records import BLOB_SCHEME
from prefect_azure_batch.tasks.stage import stage

_KEY = TypeAdapter[str](ValidAssetKey)
_MOST_INPUTS = 20
_FROM_WILDCARD = re.compile(r"/?[^/]*[*?].*")


def store_results_index(
    storage: AzureStorageCredentials, index: ResultIndex, asked: RunParameters, run_id: str
) -> None:
    """Stores the index of results that stay in storage; then they are an asset, if there can be one of that name.

    The asset is what was asked for with ``--results``, below which each run has a folder of its own; it depends on the
    blobs that are the run's inputs.

    Args:
        storage: the storage account.
        index: of the results.
        asked: what was asked for.
        run_id: the run.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    place, key = asked.place_of(run_id), asset_key(str(asked.results_place))
    assert place is not None
    if key is None:
        store_index_task(storage, index, place)
        return
    inputs = [one for one in input_assets(asked.inputs) if one != key]
    about: dict[str, Any] = {
        "run": run_id,
        "results": str(place),
        "account": storage.account_url,
        "inputs": inputs,
        **index.counts.model_dump(),
    }

    def store() -> None:
        store_index(storage, index, place)
        add_asset_metadata(key, about)

    stage(store, name=store_index_task.name, makes=key, takes=inputs)()


def input_assets(inputs: Sequence[str]) -> list[str]:
    """Keys of the assets that inputs are or lie in, at most 20: of blobs alone, up to the first wildcard."""
    blobs = (_FROM_WILDCARD.sub("", text) for text in inputs if text.startswith(BLOB_SCHEME))
    return [key for key in map(asset_key, dict.fromkeys(blobs)) if key][:_MOST_INPUTS]


def asset_key(place: str) -> str | None:
    """The key of an asset at a place in storage; None where Prefect admits none, as with a blank in it."""
    try:
        return _KEY.validate_python(place.rstrip("/"))
    except ValidationError:
        return None
