"""The command that shows and refreshes the table of prices, against a server that answers as Azure's does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from prefect_azure_batch.flows.prices import main
from prefect_azure_batch.tasks.prices import PRICES_VARIABLE, known_prices

PAGE = 2


def item(region: str, size: str, price: float, **changes: Any) -> dict[str, Any]:
    """One as the list has it. Source: "Azure Retail Prices overview", Microsoft Learn."""
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": region,
        "location": "EU West",
        "effectiveStartDate": "2022-08-01T00:00:00Z",
        "meterId": "000a794b-bdb0-58be-a0cd-0c3a0f222923",
        "meterName": size.removeprefix("Standard_").replace("_", " "),
        "productId": "DZH318Z0BQPS",
        "skuId": "DZH318Z0BQPS/00TG",
        "productName": "Virtual Machines Dsv5 Series",
        "skuName": size.removeprefix("Standard_"),
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": size,
    } | changes


WEST = [
    item("westeurope", "Standard_D2s_v5", 0.9, productName="Virtual Machines Dsv5 Series Windows"),
    item("westeurope", "Standard_D2s_v5", 0.114),
    item("westeurope", "Standard_D2s_v5", 0.115, effectiveStartDate="2024-01-01T00:00:00Z"),
    item("westeurope", "Standard_D2s_v5", 0.5, effectiveStartDate="9999-01-01T00:00:00Z"),
    item("westeurope", "Standard_D2s_v5", 0.02, skuName="D2s v5 Spot", meterName="D2s v5 Spot"),
    item("westeurope", "Standard_D2s_v5", 0.023, skuName="D2s v5 Low Priority", meterName="D2s v5 Low Priority"),
    item("westeurope", "Standard_D2s_v5", 500.0, type="Reservation", reservationTerm="1 Year"),
    item("westeurope", "Standard_D2s_v5", 0.3, isPrimaryMeterRegion=False, effectiveStartDate="2025-01-01T00:00:00Z"),
    item("westeurope", "Dsv5_Type1", 6.3, productName="Dsv5 Series Dedicated Host"),
    item("westeurope", "Standard_HB120rs_v3", 4.68, productName="Virtual Machines HBrsv3 Series"),
]


@dataclass
class PriceList:
    """A price list on this machine: what it has, what it was asked, and answers that come first."""

    address: str = ""
    items: list[dict[str, Any]] = field(default_factory=lambda: [*WEST, item("uksouth", "Standard_D2s_v5", 0.111)])
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    first: list[tuple[int, bytes]] = field(default_factory=list)
    next_host: str = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        """A page, with a link to the next one."""
        query = parse_qs(urlsplit(path).query)
        self.asked.append(query)
        if self.first:
            return self.first.pop(0)
        (asked,) = query["$filter"]
        there = [each for each in self.items if f"armRegionName eq '{each['armRegionName']}'" in asked]
        skip = int(query.get("$skip", ["0"])[0])
        page = there[skip : skip + PAGE]
        link = f"{self.next_host or self.address}{path.partition('&$skip')[0]}&$skip={skip + PAGE}"
        body = {
            "BillingCurrency": "USD",
            "CustomerEntityId": "Default",
            "CustomerEntityType": "Retail",
            "Items": page,
            "NextPageLink": link if skip + PAGE < len(there) else None,
            "Count": len(page),
        }
        return 200, json.dumps(body).encode()


@pytest.fixture
def price_list() -> Iterator[PriceList]:
    offered = PriceList()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = offered.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        offered.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield offered
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(PRICES_VARIABLE, raising=False)
    return tmp_path / "cache"


def refresh(price_list: PriceList, *regions: str) -> int:
    return main(["--refresh", "--from", f"{price_list.address}/api/retail/prices", "--regions", *regions])


def test_a_refreshed_table_has_linux_prices_of_today_and_is_what_runs_read(
    price_list: PriceList, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = known_prices().find("eastus", "standard_d2s_v5")
    assert refresh(price_list, "westeurope") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Written to {cache / 'prefect-azure-batch' / 'prices.csv'}"
    found = known_prices()
    price = found.find("westeurope", "Standard_D2s_v5")
    assert price is not None
    assert (price.dedicated, price.spot) == (0.115, 0.02)
    mpi = found.find("westeurope", "standard_hb120rs_v3")
    assert mpi is not None
    assert (mpi.dedicated, mpi.spot) == (4.68, None)
    assert found.find("westeurope", "dsv5_type1") is None
    assert found.find("eastus", "standard_d2s_v5") == before
    assert len(price_list.asked) == -(-len(WEST) // PAGE)
    assert price_list.asked[0]["api-version"] == ["2023-01-01-preview"]
    assert "priceType eq 'Consumption'" in price_list.asked[0]["$filter"][0]


def test_further_regions_are_added_to_those_refreshed_before(price_list: PriceList) -> None:
    assert refresh(price_list, "westeurope") == 0
    assert refresh(price_list, "UKSouth") == 0
    assert known_prices().find("uksouth", "standard_d2s_v5") is not None
    spot = known_prices().find("westeurope", "standard_d2s_v5")
    assert spot is not None
    assert spot.spot == 0.02


def test_a_list_that_is_busy_is_asked_again(price_list: PriceList) -> None:
    price_list.first = [(429, b""), (503, b"")]
    assert refresh(price_list, "uksouth") == 0
    assert len(price_list.asked) == 3


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (404, b"", "answered 404"),
        (200, b"<html>", "is no price list of the kind that is known"),
        (200, b'{"Items": [{"armRegionName": "westeurope"}], "NextPageLink": null}', "Items.0.armSkuName"),
    ],
)
def test_what_is_no_price_list_is_told_and_nothing_is_written(
    price_list: PriceList, cache: Path, capsys: pytest.CaptureFixture[str], status: int, body: bytes, complaint: str
) -> None:
    price_list.first = [(status, body)]
    assert refresh(price_list, "westeurope") == 1
    said = capsys.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1
    assert not cache.exists()


def test_a_list_that_sends_elsewhere_is_not_followed(price_list: PriceList, capsys: pytest.CaptureFixture[str]) -> None:
    price_list.next_host = "http://127.0.0.2:9"
    assert refresh(price_list, "westeurope") == 1
    assert "goes on at 127.0.0.2:9, which is not asked" in capsys.readouterr().err


def test_a_list_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--refresh", "--from", "http://127.0.0.1:9/prices", "--regions", "westeurope"]) == 1
    assert "The price list at 127.0.0.1:9 cannot be reached" in capsys.readouterr().err


def test_a_region_that_is_none_is_refused(price_list: PriceList, capsys: pytest.CaptureFixture[str]) -> None:
    assert refresh(price_list, "west-europe") == 2
    assert "the price list has no VM in 'west-europe'" in capsys.readouterr().err


def test_a_list_that_leads_in_a_circle_is_left(price_list: PriceList, capsys: pytest.CaptureFixture[str]) -> None:
    link = f"{price_list.address}/again"
    page = json.dumps({"Items": [], "NextPageLink": link}).encode()
    price_list.first = [(200, page)] * 3
    assert refresh(price_list, "westeurope") == 1
    assert "leads in a circle" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--output", "x.csv"], ["--regions", "nowhere"]])
def test_what_showing_the_table_cannot_do_is_refused(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_the_table_that_is_read_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--regions", "westeurope"]) == 0
    assert capsys.readouterr().out.startswith("westeurope: ")
    assert main(["--colour"]) == 2
    assert "--colour" in capsys.readouterr().err


def test_a_table_of_ones_own_is_said_to_be_read_instead(
    price_list: PriceList, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.csv"
    own.write_text("region,vm_size,dedicated,spot,priced_on\nhere,standard_d2s_v5,1,,2026-01-31\n")
    monkeypatch.setenv(PRICES_VARIABLE, str(own))
    assert refresh(price_list, "uksouth") == 0
    assert f"{PRICES_VARIABLE} names another table, {own}, which alone is read." in capsys.readouterr().out
    assert known_prices().regions == ["here"]
