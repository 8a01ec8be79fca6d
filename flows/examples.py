"""Where the bundled examples lie: beside ``flows`` in a checkout, and beside it in a wheel."""

from pathlib import Path

_EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def example(name: str) -> Path:
    """Directory of a bundled example, such as ``map``."""
    return _EXAMPLES / name
