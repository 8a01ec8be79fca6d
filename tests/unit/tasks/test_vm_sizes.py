"""VM sizes by what a node must have."""

import pytest

from prefect_azure_batch.blocks.pool_parts import Needs
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.vm_sizes import SIZES, choose_size, cores_of


@pytest.mark.parametrize(
    ("needs", "name"),
    [
        ({}, "standard_d2s_v5"),
        ({"cpus": 3}, "standard_d4s_v5"),
        ({"cpus": 4, "memory_gib": 16}, "standard_d4s_v5"),
        ({"cpus": 4, "memory_gib": 16.5}, "standard_e4s_v5"),
        ({"memory_gib": 100}, "standard_e16s_v5"),
        ({"local_disk_gib": 100}, "standard_d4ds_v5"),
        ({"gpus": 1}, "standard_nc4as_t4_v3"),
        ({"gpus": 1, "memory_gib": 200}, "standard_nc24ads_a100_v4"),
        ({"gpus": 3}, "standard_nc64as_t4_v3"),
    ],
)
def test_the_smallest_size_that_has_it_is_taken(needs: dict[str, float], name: str) -> None:
    chosen = choose_size(Needs.model_validate(needs), None)
    assert chosen.name == name
    assert chosen.has(Needs.model_validate(needs))


def test_only_what_the_account_can_have_is_taken() -> None:
    assert choose_size(Needs(cpus=2), {"standard_e2s_v5", "standard_d8s_v5"}).name == "standard_e2s_v5"
    with pytest.raises(BadInput, match=r"region has none of the VM sizes that have cpus: 2, such as standard_d2s_v5"):
        choose_size(Needs(cpus=2), {"standard_f2s_v2"})


def test_what_no_size_has_is_told() -> None:
    with pytest.raises(BadInput, match=r"no usual VM size has cpus: 200, gpus: 1: name one"):
        choose_size(Needs(cpus=200, gpus=1), None)


def test_no_size_stands_there_twice() -> None:
    assert len({size.name for size in SIZES}) == len(SIZES)


@pytest.mark.parametrize(
    ("name", "cores"),
    [
        ("standard_d2s_v3", 2),
        ("Standard_E64ds_v5", 64),
        ("standard_hb120rs_v3", 120),
        ("standard_nc24ads_a100_v4", 24),
        ("standard_ds3_v2", None),
        ("standard_e4-2s_v5", None),
        ("standard_nosuch_v9", None),
    ],
)
def test_the_names_of_some_sizes_tell_their_cores(name: str, cores: int | None) -> None:
    assert cores_of(name) == cores
