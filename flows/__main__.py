"""``python -m flows``: what flows there are."""

import sys
from pathlib import Path

from prefect_azure_batch.flows import entries


def main() -> int:
    """Lists the flows that the command line knows."""
    package = "flows" if Path(__file__).resolve().parent.parent.joinpath("pyproject.toml").exists() else __package__
    found = [(each.name, each.description) for each in vars(entries).values() if isinstance(each, entries.Entry)]
    found.append(("prices", "Shows what VMs cost by region and size, and fetches a newer table."))
    for name, description in found:
        print(f"python -m {package}.{name:<{max(len(each) for each, _ in found)}}  {description}")
    print("\n--help after any of them lists its options.")
    return 0


sys.exit(main())
