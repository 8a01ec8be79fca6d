"""What VMs cost an hour, from a table: by region and size, on demand and as spot.

A table is a CSV file with a line for each size in each region, and comments that begin with '#'. One ships with the
package; ``python -m flows.prices --refresh`` writes a newer one into the user's cache, from Azure's public price list.
"""

import csv
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from prefect_azure_batch.tasks.errors import BadInput

CURRENCY = "USD"
PRICES_VARIABLE = "AZURE_BATCH_PRICES"
"""Names a table of one's own, as of negotiated prices; no other is read then."""
SHIPPED = Path(__file__).with_name("prices.csv")
COLUMNS = ("region", "vm_size", "dedicated", "spot", "priced_on")


@dataclass(frozen=True)
class Price:
    """What a VM costs.

    Attributes:
        region: of Azure, such as ``westeurope``.
        vm_size: in small letters.
        dedicated: USD an hour on demand, with Linux; None if nobody knows.
        spot: the same as a spot VM, whose price changes with demand.
        priced_on: when it was so.
    """

    region: str
    vm_size: str
    dedicated: float | None
    spot: float | None
    priced_on: date

    @property
    def row(self) -> tuple[str, str, str, str, str]:
        """Its line in a table."""
        dedicated, spot = ("" if price is None else f"{price:.8g}" for price in (self.dedicated, self.spot))
        return self.region, self.vm_size, dedicated, spot, self.priced_on.isoformat()


class Prices:
    """Prices by region and size."""

    def __init__(self, prices: Iterable[Price] = ()) -> None:
        self._prices = {(price.region, price.vm_size): price for price in prices}

    def find(self, region: str | None, vm_size: str) -> Price | None:
        """The price of a size in a region, in whatever letters; None if the table has none."""
        return self._prices.get(((region or "").lower(), vm_size.lower()))

    @property
    def regions(self) -> list[str]:
        """Regions with a price."""
        return sorted({region for region, _ in self._prices})

    def __iter__(self) -> Iterator[Price]:
        """All of them, in the order of the table."""
        return iter(self._prices.values())

    def __or__(self, newer: "Prices") -> "Prices":
        """These, and those of another table in their place."""
        return Prices((*self, *newer))


def user_table(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a refreshed table lies: ``prices.csv`` in the user's cache (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "prefect-azure-batch" / "prices.csv"


def known_prices(environment: Mapping[str, str] = os.environ) -> Prices:
    """The prices that hold for this user: of a table of one's own, or the shipped ones and those refreshed since.

    Args:
        environment: variables.

    Raises:
        BadInput: a table cannot be read.
    """
    if own := environment.get(PRICES_VARIABLE):
        return read_prices(Path(own), PRICES_VARIABLE)
    refreshed = user_table(environment)
    shipped = read_prices(SHIPPED)
    return shipped | read_prices(refreshed) if refreshed.exists() else shipped


def read_prices(path: Path, named_by: str = "") -> Prices:
    """Reads a table.

    Args:
        path: the file.
        named_by: the variable that names it, for the message.

    Raises:
        BadInput: it cannot be read; names the line.
    """
    what = f"{named_by}: the table of prices {str(path)!r}" if named_by else f"The table of prices {str(path)!r}"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise BadInput(f"{what} cannot be read: {reason}.") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not numbered or tuple(numbered[0][1].split(",")) != COLUMNS:
        raise BadInput(f"{what} must begin with the line {','.join(COLUMNS)!r}.")
    return Prices(_read_row(cells, f"{what}, line {number}") for number, cells in _rows(numbered[1:]))


def _rows(numbered: list[tuple[int, str]]) -> Iterator[tuple[int, list[str]]]:
    for (number, _), cells in zip(numbered, csv.reader(line for _, line in numbered), strict=True):
        yield number, cells


def _read_row(cells: list[str], where: str) -> Price:
    try:
        region, vm_size, dedicated, spot, day = (cell.strip() for cell in cells)
        return Price(region.lower(), vm_size.lower(), _amount(dedicated), _amount(spot), date.fromisoformat(day))
    except ValueError:
        raise BadInput(
            f"{where}: write a region, a VM size, USD an hour, the same of a spot VM (or nothing), and a day as "
            "2026-01-31."
        ) from None


def _amount(cell: str) -> float | None:
    if not cell:
        return None
    amount = float(cell)
    if not 0 <= amount < float("inf"):
        raise ValueError(cell)
    return amount
