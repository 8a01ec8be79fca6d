"""The table of prices: which one is read, and a newer one from Azure's public price list.

python -m flows.prices                                            the table that runs read
python -m flows.prices --refresh                                  the same regions, from Azure's list
python -m flows.prices --refresh --regions uksouth swedencentral  these regions
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from prefect_azure_batch.flows.streams import open_standard_streams, write_lines
from prefect_azure_batch.tasks.errors import BadInput, BatchFlowError
from prefect_azure_batch.tasks.price_list import PRICE_LIST, fetch_prices, write_table
from prefect_azure_batch.tasks.prices import PRICES_VARIABLE, Prices, known_prices, read_prices, user_table


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BadInput(f"{message} (--help lists the options)")


def _program() -> str:
    """What the user has typed: a console script, or a module."""
    script = Path(sys.argv[0]).name
    return "python -m flows.prices" if script.endswith(".py") else script


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = _Parser(prog=_program(), description="Shows or refreshes the prices that runs are told in.")
    parser.add_argument("--refresh", action="store_true", help="Read prices from Azure's public price list.")
    parser.add_argument(
        "--regions", nargs="+", metavar="REGION", help="Azure regions. Not given: those of the table that is read."
    )
    parser.add_argument(
        "--output", metavar="FILE", help=f"Table to write. Not given: {user_table()}, which all runs of yours read."
    )
    parser.add_argument(
        "--from", dest="address", default=PRICE_LIST, metavar="URL", help=f"The price list. Not given: {PRICE_LIST}."
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        0, 1 if the list could not be read, 2 for bad arguments or a table that cannot be read or written.
    """
    open_standard_streams()
    try:
        asked = make_parser().parse_args(arguments)
        if not asked.refresh and (asked.output or asked.address != PRICE_LIST):
            raise BadInput("--output and --from are for --refresh, which is missing.")
        known = known_prices()
        regions = [region.lower() for region in asked.regions or known.regions]
        lines = _refresh(regions, asked.output, asked.address) if asked.refresh else _shown(known, regions)
        write_lines(lines)
    except KeyboardInterrupt:
        sys.stderr.write(f"{_program()}: interrupted; no table was written.\n")
        return 130
    except BatchFlowError as error:
        sys.stderr.write(f"{_program()}: {error}\n")
        return 2 if isinstance(error, BadInput) else 1
    return 0


def _shown(prices: Prices, regions: Sequence[str]) -> Iterator[str]:
    for region in regions:
        there = [price for price in prices if price.region == region]
        if not there:
            raise BadInput(f"--regions: the table has no {region!r}: --refresh fetches it.")
        spot = sum(price.spot is not None for price in there)
        days = sorted({price.priced_on.isoformat() for price in there})
        when = f", of {' to '.join(dict.fromkeys((days[0], days[-1])))}" if days else ""
        yield f"{region}: {len(there)} sizes, {spot} with a spot price{when}"


def _refresh(regions: Sequence[str], output: str | None, address: str) -> Iterator[str]:
    path = Path(output) if output else user_table()
    fetched = fetch_prices(regions, datetime.now(UTC).date(), address)
    before = read_prices(path) if path.exists() else Prices()
    kept = Prices(price for price in before if price.region not in regions)
    write_table(path, kept | fetched, address)
    yield from _shown(fetched, regions)
    yield f"Written to {path}"
    own = os.environ.get(PRICES_VARIABLE)
    if own and Path(own).absolute() != path.absolute():
        yield f"{PRICES_VARIABLE} names another table, {own}, which alone is read."


if __name__ == "__main__":
    sys.exit(main())
