"""``python -m localbatch.autoscale FORMULA_FILE``: tries a formula offline."""

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from localbatch.autoscale.errors import FormulaError
from localbatch.autoscale.formula import evaluate
from localbatch.autoscale.sample_file import read_samples
from localbatch.autoscale.timestamps import Timestamp

_BAD = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Says what is wrong in one line."""
        self.exit(_BAD, f"error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluates a formula and prints what it comes to, as the service writes it.

    Returns:
        The exit status: 0, or 2 if options, files or the formula are wrong, said in one line on standard error.
    """
    parser = _Parser(
        prog="python -m localbatch.autoscale",
        description="Evaluates an autoscale formula of Azure Batch, without any pool.",
        allow_abbrev=False,
    )
    parser.add_argument("formula", type=Path, metavar="FORMULA_FILE", help="the formula; - is standard input")
    parser.add_argument("--samples", type=Path, metavar="FILE.json", help="samples and sizes of the pool")
    parser.add_argument("--at", metavar="TIME", help="when, such as 2025-11-25T10:00:00Z (default: now)")
    given = parser.parse_args(arguments)
    try:
        now = Timestamp.parse(given.at).moment if given.at else datetime.now(UTC)
        samples, pool = read_samples(given.samples.read_bytes() if given.samples else b"{}", now)
        outcome = evaluate(_read(given.formula), samples=samples, pool=pool, now=now)
    except FormulaError as error:
        parser.error(f"{error.summary.removesuffix('.')}: {error}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        parser.error(f"{given.samples}: {'.'.join(map(str, first['loc'])) or 'the document'}: {first['msg']}")
    except OSError as error:
        parser.error(f"cannot read {error.filename}: {error.strerror}")
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(f"{outcome.results}\n")
    return 0


def _read(file: Path) -> str:
    if str(file) == "-":
        return sys.stdin.read()
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not a text in UTF-8: {error.reason}") from error


if __name__ == "__main__":
    sys.exit(main())
