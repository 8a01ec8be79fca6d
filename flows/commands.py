"""The commands: what ``python -m flows.<name>`` and the console scripts run."""

from prefect_azure_batch.flows.entries import MAP, MPI, UPKEEP
from prefect_azure_batch.flows.main import main


def run_map_flow() -> int:
    """Runs the map flow as the command line asks for, and returns the exit status."""
    return main(MAP)


def run_mpi_flow() -> int:
    """Runs the MPI flow as the command line asks for, and returns the exit status."""
    return main(MPI)


def run_upkeep_flow() -> int:
    """Runs the upkeep flow as the command line asks for, and returns the exit status."""
    return main(UPKEEP)
