"""The commands: what ``python -m flows.<name>`` and the console scripts run."""

import os
import sys
import threading

from prefect_azure_batch.flows.collector import resting_collector

_BY_SIGNAL = 128
_LAST_SECONDS = 10.0


def run_map_flow() -> int:
    """Runs the map flow as the command line asks for, and returns the exit status."""
    return _run("MAP")


def run_mpi_flow() -> int:
    """Runs the MPI flow as the command line asks for, and returns the exit status."""
    return _run("MPI")


def run_upkeep_flow() -> int:
    """Runs the upkeep flow as the command line asks for, and returns the exit status."""
    return _run("UPKEEP")


def run_check_flow() -> int:
    """Runs the check flow as the command line asks for, and returns the exit status."""
    return _run("CHECK")


def run_prices() -> int:
    """Shows or refreshes the table of prices, and returns the exit status."""
    from prefect_azure_batch.flows.prices import main

    return main()


def run_explain() -> int:
    """Runs the explain flow as the command line asks for, and returns the exit status."""
    return _run("EXPLAIN")


def _run(entry: str) -> int:
    try:  # who presses Ctrl-C at once is told no more than who does so later
        with resting_collector():
            from prefect_azure_batch.flows import entries
            from prefect_azure_batch.flows.main import main
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; nothing had begun.\n")
        return 130
    status = main(getattr(entries, entry))
    if status > _BY_SIGNAL:
        # All is cleaned up. Prefect would go on sending what it knows to a server that does not answer.
        last = threading.Timer(_LAST_SECONDS, os._exit, [status])
        last.daemon = True
        last.start()
    return status
