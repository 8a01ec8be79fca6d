"""Tables of prices."""

from datetime import date
from pathlib import Path

import pytest

from prefect_azure_batch.blocks.pool_description import DEFAULT_VM_SIZE
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.prices import (
    COLUMNS,
    PRICES_VARIABLE,
    SHIPPED,
    Price,
    Prices,
    known_prices,
    read_prices,
    user_table,
)
from prefect_azure_batch.tasks.vm_sizes import SIZES

HEAD = ",".join(COLUMNS)


def table(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["# of a test", HEAD, *rows]) + "\n")
    return path


def test_the_shipped_table_has_the_default_size_and_those_found_by_need_with_their_day() -> None:
    prices = read_prices(SHIPPED)
    for size in (DEFAULT_VM_SIZE, *(size.name for size in SIZES)):
        price = prices.find("westeurope", size)
        assert price is not None, size
        assert price.dedicated
        assert price.priced_on <= date(2026, 1, 1)
    assert "eastus" in prices.regions
    rows = [line for line in SHIPPED.read_text().splitlines() if not line.startswith("#")]
    assert len(list(prices)) == len(rows) - 1  # no size stands there twice


def test_names_are_found_in_any_case_and_an_empty_price_is_unknown(tmp_path: Path) -> None:
    prices = read_prices(table(tmp_path / "t.csv", "WestEurope,Standard_D2s_v5,0.115,,2026-01-31"))
    assert prices.find("westeurope", "STANDARD_D2S_V5") == Price(
        "westeurope", "standard_d2s_v5", 0.115, None, date(2026, 1, 31)
    )
    assert prices.find("westeurope", "standard_d4s_v5") is None
    assert prices.find(None, "standard_d2s_v5") is None


def test_a_row_is_read_as_it_is_written(tmp_path: Path) -> None:
    price = Price("eastus", "standard_f2s_v2", 0.0846, 0.0169, date(2026, 2, 1))
    assert list(read_prices(table(tmp_path / "t.csv", ",".join(price.row)))) == [price]


def test_refreshed_prices_take_the_place_of_shipped_ones_and_a_table_of_ones_own_that_of_all(tmp_path: Path) -> None:
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    shipped = known_prices(environment).find("eastus", "standard_d2s_v5")
    table(user_table(environment), "westeurope,standard_d2s_v5,0.2,0.02,2026-05-01")
    prices = known_prices(environment)
    assert prices.find("westeurope", "standard_d2s_v5") == Price(
        "westeurope", "standard_d2s_v5", 0.2, 0.02, date(2026, 5, 1)
    )
    assert prices.find("eastus", "standard_d2s_v5") == shipped
    own = table(tmp_path / "own.csv", "here,standard_d2s_v5,1,,2026-05-02")
    prices = known_prices(environment | {PRICES_VARIABLE: str(own)})
    assert prices.regions == ["here"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("region,size\n", "must begin with the line 'region,vm_size,dedicated,spot,priced_on'"),
        ("", "must begin with"),
        (f"{HEAD}\nhere,a,1,,2026-01-01\nhere,b,cheap,,2026-01-01\n", "line 3: write a region"),
        (f"{HEAD}\nhere,a,-1,,2026-01-01\n", "line 2"),
        (f"{HEAD}\nhere,a,nan,,2026-01-01\n", "line 2"),
        (f"{HEAD}\nhere,a,1,,yesterday\n", "line 2"),
        (f"{HEAD}\n# comment\n\nhere,a,1\n", "line 4"),
    ],
)
def test_a_table_that_cannot_be_is_told_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BadInput) as told:
        known_prices({PRICES_VARIABLE: str(tmp_path / "t.csv")})
    assert str(told.value).startswith(f"{PRICES_VARIABLE}: the table of prices")
    assert complaint in str(told.value)
    assert "\n" not in str(told.value)


def test_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        known_prices({PRICES_VARIABLE: str(tmp_path / "t.csv")})


def test_prices_without_a_table_are_none() -> None:
    assert Prices().find("westeurope", "standard_d2s_v5") is None
