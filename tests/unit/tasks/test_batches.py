"""How inputs are cut into batches."""

import pytest

from prefect_azure_batch.tasks.batches import MOST_BATCHES, batch_size


@pytest.mark.parametrize(
    ("inputs", "size", "batches"),
    [(0, 1, 0), (4, 1, 4), (10, 1, 10), (11, 2, 6), (100, 10, 10), (1000, 100, 10), (10_000, 500, 20),
     (1_000_000, 20_000, 50)],
)  # fmt: skip
def test_there_are_few_batches_until_they_are_large(inputs: int, size: int, batches: int) -> None:
    assert batch_size(inputs) == size
    assert -(-inputs // size) == batches <= MOST_BATCHES
