"""VM sizes: how many cores and how much memory a node has that quotas, slots and usage are reckoned by.

The table holds common sizes as "Sizes for virtual machines in Azure" gives them. Azure has more, so that every other
name which follows Azure's naming conventions is a size too, and its cores are read from the name:
``Standard_D2s_v3`` is family D, 2 cores, feature s, version 3; ``Standard_M8-2ms`` has 2 of 8 cores switched on.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

MOST_SLOTS = 256
_SLOTS_PER_CORE = 4
_USUAL_MEMORY = 4.0
# Below the largest number of cores that any size has had.
_MOST_CORES = 2000

# What stands in the middle of a name: the cores and the memory.
_Middles: TypeAlias = "dict[str, tuple[int, float]]"

_NAME = re.compile(r"(?:standard|basic)_([a-z]{1,4})([0-9]{1,4})(?:-([0-9]{1,4}))?([a-z]{0,6})((?:_[a-z0-9]{1,12})*)")


@dataclass(frozen=True)
class VmSize:
    """One size.

    Attributes:
        name: as Azure spells it.
        family: what core quotas are counted by, such as ``standardDSv3Family``.
        cores: number of vCPUs.
        memory: in GiB.
    """

    name: str
    family: str
    cores: int
    memory: float

    @property
    def most_slots(self) -> int:
        """How many task slots a node of this size can have."""
        return min(_SLOTS_PER_CORE * self.cores, MOST_SLOTS)


def find_size(name: str) -> VmSize | None:
    """Returns a VM size.

    Args:
        name: in any case.

    Returns:
        One that is not in the table is understood by its name, with 4 GiB for each core; None if the name is not that
        of a size.
    """
    return _SIZES.get(name.lower()) or _understand(name.lower())


def known_sizes() -> list[VmSize]:
    """Returns the sizes of the table in the order of their names."""
    return [_SIZES[name] for name in sorted(_SIZES)]


def _understand(name: str) -> VmSize | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    letters, installed, active, features, rest = found.groups()
    cores = int(active or installed)
    if not 1 <= cores <= _MOST_CORES:
        return None
    family = f"standard{letters.upper()}{features.upper()}{rest.replace('_', '')}Family"
    return VmSize(name, family, cores, cores * _USUAL_MEMORY)


def _scaled(family: str, name: str, memory: float, cores: Iterable[int]) -> Iterator[VmSize]:
    """Makes the sizes of a family in which each core brings as much memory."""
    for count in cores:
        yield VmSize(f"Standard_{name.format(count)}", f"standard{family}Family", count, count * memory)


def _listed(family: str, name: str, sizes: _Middles) -> Iterator[VmSize]:
    """Makes the sizes of a family from what their names hold in the middle: cores and memory in GiB."""
    for middle, (cores, memory) in sizes.items():
        yield VmSize(f"Standard_{name.format(middle)}", f"standard{family}Family", cores, memory)


_TO_64 = (2, 4, 8, 16, 32, 48, 64)
_TO_96 = (*_TO_64, 96)
_STEPS: _Middles = {"1": (1, 3.5), "2": (2, 7), "3": (4, 14), "4": (8, 28)}
_STEPS |= {"11": (2, 14), "12": (4, 28), "13": (8, 56), "14": (16, 112)}
_STEPS_V2: _Middles = {**_STEPS, "5": (16, 56), "15": (20, 140)}
_OLDEST: _Middles = {"1": (1, 1.75), "2": (2, 3.5), "3": (4, 7), "4": (8, 14), "5": (2, 14), "6": (4, 28), "7": (8, 56)}


def _make_sizes() -> Iterator[VmSize]:
    yield from _listed("A0_A7", "A{}", _OLDEST)
    yield from _scaled("Av2", "A{}_v2", 2, (1, 2, 4, 8))
    yield from _scaled("Av2", "A{}m_v2", 8, (2, 4, 8))
    yield from _listed("D", "D{}", _STEPS)
    yield from _listed("DS", "DS{}", _STEPS)
    yield from _listed("Dv2", "D{}_v2", _STEPS_V2)
    yield from _listed("DSv2", "DS{}_v2", _STEPS_V2)
    yield from _general_purpose()
    yield from _memory_optimised()
    yield from _compute_optimised()
    yield from _high_performance()
    yield from _accelerated()


def _general_purpose() -> Iterator[VmSize]:
    for family, name in (
        *(("Dv3", "D{}_v3"), ("DSv3", "D{}s_v3"), ("Dv4", "D{}_v4"), ("DSv4", "D{}s_v4")),
        *(("DDv4", "D{}d_v4"), ("DDSv4", "D{}ds_v4")),
    ):
        yield from _scaled(family, name, 4, _TO_64)
    for family, name in (
        *(("DAv4", "D{}a_v4"), ("DASv4", "D{}as_v4"), ("DASv5", "D{}as_v5"), ("DADSv5", "D{}ads_v5")),
        *(("Dv5", "D{}_v5"), ("DSv5", "D{}s_v5"), ("DDv5", "D{}d_v5"), ("DDSv5", "D{}ds_v5")),
    ):
        yield from _scaled(family, name, 4, _TO_96)
    for family, name in (("DLSv5", "D{}ls_v5"), ("DLDSv5", "D{}lds_v5")):
        yield from _scaled(family, name, 2, _TO_96)


def _memory_optimised() -> Iterator[VmSize]:
    usual = (2, 4, 8, 16, 20, 32, 48)
    for family, name, largest in (
        *(("Ev3", "E{}_v3", 432), ("ESv3", "E{}s_v3", 432), ("Ev4", "E{}_v4", 504), ("ESv4", "E{}s_v4", 504)),
        *(("EDv4", "E{}d_v4", 504), ("EDSv4", "E{}ds_v4", 504), ("EAv4", "E{}a_v4", 512), ("EASv4", "E{}as_v4", 512)),
        *(("Ev5", "E{}_v5", 512), ("ESv5", "E{}s_v5", 512), ("EDv5", "E{}d_v5", 512), ("EDSv5", "E{}ds_v5", 512)),
        *(("EASv5", "E{}as_v5", 512), ("EADSv5", "E{}ads_v5", 512)),
    ):
        yield from _scaled(family, name, 8, usual)
        yield from _listed(family, name, {"64": (64, largest)})
    yield from _listed("MS", "M{}", {"64s": (64, 1024), "64ms": (64, 1792), "128s": (128, 2048), "128ms": (128, 3892)})


def _compute_optimised() -> Iterator[VmSize]:
    yield from _scaled("F", "F{}", 2, (1, 2, 4, 8, 16))
    yield from _scaled("FS", "F{}s", 2, (1, 2, 4, 8, 16))
    yield from _scaled("FSv2", "F{}s_v2", 2, (2, 4, 8, 16, 32, 48, 64, 72))
    yield from _scaled("LSv3", "L{}s_v3", 8, (8, 16, 32, 48, 64, 80))
    yield from _scaled("LASv3", "L{}as_v3", 8, (8, 16, 32, 48, 64, 80))


def _high_performance() -> Iterator[VmSize]:
    yield from _listed("HBS", "HB{}rs", _with_fewer_cores(60, (15, 30, 45), 228))
    yield from _listed("HCS", "HC{}rs", _with_fewer_cores(44, (16, 32), 352))
    yield from _listed("HBrsv2", "HB{}rs_v2", _with_fewer_cores(120, (16, 32, 64, 96), 456))
    yield from _listed("HBv3", "HB{}rs_v3", _with_fewer_cores(120, (16, 32, 64, 96), 448))
    yield from _listed("HBv4", "HB{}rs_v4", _with_fewer_cores(176, (24, 48, 96, 144), 768))
    yield from _listed("HX", "HX{}rs", _with_fewer_cores(176, (24, 48, 96, 144), 1408))


def _with_fewer_cores(installed: int, active: Iterable[int], memory: float) -> _Middles:
    fewer = {f"{installed}-{cores}": (cores, memory) for cores in active}
    return {str(installed): (installed, memory), **fewer}


def _accelerated() -> Iterator[VmSize]:
    yield from _listed("NCSv3", "NC{}_v3", {"6s": (6, 112), "12s": (12, 224), "24s": (24, 448), "24rs": (24, 448)})
    yield from _listed("NCASv3_T4", "NC{}as_T4_v3", {"4": (4, 28), "8": (8, 56), "16": (16, 110), "64": (64, 440)})
    yield from _listed("NCADSA100v4", "NC{}ads_A100_v4", {"24": (24, 220), "48": (48, 440), "96": (96, 880)})
    yield from _listed("NCadsH100v5", "NC{}_H100_v5", {"40ads": (40, 320), "80adis": (80, 640)})
    yield from _listed("NDASv4_A100", "ND{}", {"96asr_v4": (96, 900), "96amsr_A100_v4": (96, 1900)})
    yield from _listed("NDSH100v5", "ND{}_H100_v5", {"96isr": (96, 1900)})
    yield from _listed("NVSv3", "NV{}s_v3", {"12": (12, 112), "24": (24, 224), "48": (48, 448)})
    yield from _listed(
        "NVADSA10v5", "NV{}ads_A10_v5", {"6": (6, 55), "12": (12, 110), "18": (18, 220), "36": (36, 440)}
    )


_SIZES = {size.name.lower(): size for size in _make_sizes()}
