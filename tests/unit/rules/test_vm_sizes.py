"""VM sizes and what their names say."""

import pytest

from localbatch.rules.vm_sizes import find_size, known_sizes

# Series from before the naming conventions, whose numbers are not cores.
OLDER = ("standardA0_A7Family", "standardDFamily", "standardDSFamily", "standardDv2Family", "standardDSv2Family")


@pytest.mark.parametrize(
    ("name", "cores", "memory"),
    [
        ("Standard_D2s_v3", 2, 8),
        ("standard_d2S_V3", 2, 8),
        ("STANDARD_D4", 8, 28),
        ("Standard_A1_v2", 1, 2),
        ("Standard_D15_v2", 20, 140),
        ("Standard_E64_v3", 64, 432),
        ("Standard_HB120rs_v3", 120, 448),
        ("Standard_HB120-16rs_v3", 16, 448),
        ("Standard_NC24rs_v3", 24, 448),
    ],
)
def test_a_common_size_has_its_cores_and_memory(name: str, cores: int, memory: float) -> None:
    size = find_size(name)
    assert size is not None
    assert (size.name.lower(), size.cores, size.memory) == (name.lower(), cores, memory)


@pytest.mark.parametrize(
    ("name", "cores", "family"),
    [
        ("Standard_D128ds_v6", 128, "standardDDSv6Family"),
        ("standard_m416-208s_v2", 208, "standardMSv2Family"),
        ("Standard_NC6", 6, "standardNCFamily"),
        ("Standard_ND96isr_MI300X_v5", 96, "standardNDISRmi300xv5Family"),
    ],
)
def test_any_other_size_is_understood_by_its_name(name: str, cores: int, family: str) -> None:
    size = find_size(name)
    assert size is not None
    assert (size.cores, size.family, size.memory) == (cores, family, 4 * cores)


@pytest.mark.parametrize("name", ["", " ", "x", "small", "Standard_", "Standard_D", "Standard_D0", "Standard_D2s_v3 "])
def test_what_is_no_size_is_not_understood(name: str) -> None:
    assert find_size(name) is None


def test_the_names_of_the_table_follow_the_conventions_except_for_the_oldest() -> None:
    for size in known_sizes():
        number = size.name.removeprefix("Standard_").lstrip("ABCDEFGHLMNSVX")
        installed = number.split("_")[0].rstrip("abcdefghijklmnopqrstuvwxyz")
        if size.family not in OLDER:
            assert int(installed.split("-")[-1]) == size.cores, size.name


def test_the_table_is_ordered_and_names_each_size_once() -> None:
    names = [size.name.lower() for size in known_sizes()]
    assert names == sorted(set(names))
    assert len(names) > 200


def test_slots_are_four_for_each_core_and_at_most_256() -> None:
    slots = {size.name: size.most_slots for size in known_sizes()}
    assert (slots["Standard_A1_v2"], slots["Standard_D2s_v3"], slots["Standard_D96s_v5"]) == (4, 8, 256)
