"""Azure's public list of retail prices, read for a table of our own. It asks for no account.

Source: "Azure Retail Prices overview", Microsoft Learn: the request, paging by ``NextPageLink``, and the items.
"""

import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prefect_azure_batch.tasks.errors import BadInput, ServiceFailure
from prefect_azure_batch.tasks.intervals import growing_pauses
from prefect_azure_batch.tasks.prices import COLUMNS, CURRENCY, Price, Prices

PRICE_LIST = "https://prices.azure.com/api/retail/prices"
_API_VERSION = "2023-01-01-preview"
_PATIENCE = 60.0

_logger = logging.getLogger(__name__)
_TIMEOUT = 60.0
_PASSING = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE}
_PASSING |= {HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.GATEWAY_TIMEOUT}
# What other things cost that are counted among virtual machines.
_OTHER_PRODUCTS = ("windows", "cloudservices", "cloud services", "dedicated host")
_OTHER_METERS = ("low priority", "expired")


class _Item(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    region: str = Field(alias="armRegionName")
    vm_size: str = Field(alias="armSkuName")
    price: float = Field(alias="retailPrice")
    currency: str = Field(alias="currencyCode")
    unit: str = Field(alias="unitOfMeasure")
    kind: str = Field(alias="type")
    product: str = Field(alias="productName")
    sku: str = Field(alias="skuName")
    meter: str = Field(alias="meterName")
    since: str = Field(alias="effectiveStartDate")
    is_primary: bool = Field(default=True, alias="isPrimaryMeterRegion")

    @property
    def is_spot(self) -> bool:
        return "spot" in f"{self.sku} {self.meter}".lower().split()

    def counts(self, region: str, today: date) -> bool:
        """Whether it is what a VM with Linux costs there now."""
        product, meter = self.product.lower(), f"{self.sku} {self.meter}".lower()
        return (
            (self.region, self.currency, self.unit, self.kind) == (region, CURRENCY, "1 Hour", "Consumption")
            and self.is_primary
            and self.vm_size.lower().startswith("standard_")
            and not any(word in product for word in _OTHER_PRODUCTS)
            and not any(word in meter for word in _OTHER_METERS)
            and self.since[:10] <= today.isoformat()
        )


class _Page(BaseModel):
    items: list[_Item] = Field(alias="Items")
    next: str | None = Field(alias="NextPageLink")


def fetch_prices(regions: Iterable[str], today: date, address: str = PRICE_LIST) -> Prices:
    """What VMs with Linux cost now in some regions.

    Args:
        regions: names of Azure regions.
        today: the day that the prices are noted with.
        address: of the list.

    Raises:
        BadInput: the list has no VM in a region.
        ServiceFailure: it could not be read.
    """
    found: list[Price] = []
    with httpx.Client(timeout=_TIMEOUT) as client:
        for region in regions:
            prices = price_items(_items(client, address, region), region, today)
            if not prices:
                raise BadInput(f"--regions: the price list has no VM in {region!r}; a region is one as westeurope.")
            found += prices
    return Prices(found)


def price_items(items: Iterable[_Item], region: str, today: date) -> list[Price]:
    """One price for each size among the items of a region: the newest that holds, dedicated and spot apart."""
    newest: dict[tuple[str, bool], _Item] = {}
    for item in items:
        key = item.vm_size.lower(), item.is_spot
        if item.counts(region, today) and (key not in newest or newest[key].since < item.since):
            newest[key] = item
    amounts = {key: item.price for key, item in newest.items()}
    sizes = sorted({size for size, _ in amounts})
    return [Price(region, size, amounts.get((size, False)), amounts.get((size, True)), today) for size in sizes]


def _items(client: httpx.Client, address: str, region: str) -> Iterator[_Item]:
    asked = f"serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq '{region}'"
    query = {
        "api-version": _API_VERSION,
        "currencyCode": f"'{CURRENCY}'",
        "meterRegion": "'primary'",
        "$filter": asked,
    }
    link: str | None = str(httpx.URL(address, params=query))
    host = urlsplit(address).netloc
    seen = set[str]()
    while link:
        if link in seen:
            raise ServiceFailure(f"The price list at {host} leads in a circle.")
        seen.add(link)
        if urlsplit(link).netloc != host:
            raise ServiceFailure(f"The price list at {host} goes on at {urlsplit(link).netloc}, which is not asked.")
        page = _page(client, link)
        yield from page.items
        link = page.next


def _page(client: httpx.Client, link: str) -> _Page:
    """A page; it is asked for again for a while where that can help."""
    host, problem, told = urlsplit(link).netloc, "", False
    for _ in growing_pauses(_PATIENCE):
        try:
            answer = client.get(link)
        except httpx.HTTPError as error:
            raise ServiceFailure(
                f"The price list at {host} cannot be reached: {str(error) or type(error).__name__}"
            ) from None
        if answer.status_code == HTTPStatus.OK:
            return _read(answer.content, host)
        problem = f"{answer.status_code} {answer.reason_phrase}"
        if answer.status_code not in _PASSING:
            break
        if not told:
            told = True
            _logger.warning("The price list at %s answers %s: it is tried again for %.0f s.", host, problem, _PATIENCE)
    raise ServiceFailure(f"The price list at {host} answered {problem}.")


def _read(content: bytes, host: str) -> _Page:
    try:
        return _Page.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"]) or "the whole"
        raise ServiceFailure(
            f"What answers at {host} is no price list of the kind that is known ({place}: {first['msg']})."
        ) from None


def write_table(path: Path, prices: Prices, source: str) -> None:
    """Writes a table, whole or not at all.

    Args:
        path: the file; its directory is made if need be.
        prices: all of them.
        source: where they are from.

    Raises:
        BadInput: it cannot be written.
    """
    rows: Sequence[str] = [",".join(price.row) for price in prices]
    text = "\n".join(
        [f"# Azure VMs with Linux: list prices in {CURRENCY} an hour. From {source}", ",".join(COLUMNS), *rows]
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(f"{text}\n")
        Path(file.name).chmod(0o644)
        os.replace(file.name, path)
    except OSError as error:
        raise BadInput(f"--output: {str(path)!r} cannot be written: {error.strerror or error}.") from None
