"""Where the bundled examples lie: beside the packages in a checkout, inside ``flows`` in a wheel."""

from pathlib import Path


def example(name: str) -> Path:
    """Directory of a bundled example, such as ``map``."""
    here = Path(__file__).resolve().parent
    checkout = here.parent / "examples" / name
    return checkout if checkout.is_dir() else here / "examples" / name
