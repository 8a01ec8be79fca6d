"""The flows that the command line knows. Nothing here imports Prefect, which takes seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from prefect_azure_batch.flows.check_parameters import CheckParameters
from prefect_azure_batch.flows.explain_parameters import ExplainParameters
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.preflight import (
    check_connection,
    check_locally,
    check_mpi_locally,
    check_running,
)
from prefect_azure_batch.flows.upkeep_parameters import UpkeepParameters


@dataclass(frozen=True)
class Entry:
    """A flow as ``python -m flows.<name>`` runs it.

    Attributes:
        name: of the flow's module, and of the flow in it.
        description: what ``--help`` says.
        parameters: what it can be asked for.
        check: refuses what can be seen to be wrong before Prefect is imported.
        examples: arguments that ``--help`` shows.
    """

    name: str
    description: str
    parameters: type[BaseModel]
    check: Callable[[Any], None]
    examples: tuple[str, ...] = ()


MAP = Entry(
    "map_flow",
    "Runs one program over many inputs on Azure Batch or a local Azure. Default: the bundled example.",
    MapParameters,
    check_locally,
    (
        "",
        "--inputs data --command 'wc -c < {input}'",
        "--inputs 'data/*.csv' --app ./solver --command '{app}/solver {input}' --outputs '*.dat' --nodes 4 --slots 2",
        "--sweep 'seed=1..100' --app ./model --command '{app}/simulate {seed}' --plan",
    ),
)
MPI = Entry(
    "mpi_flow",
    "Runs one MPI program over several nodes of Azure Batch or a local Azure. Default: the bundled example.",
    MpiParameters,
    check_mpi_locally,
    ("", "--app ./solver --command '{app}/solver --steps 100' --inputs mesh.txt --nodes 4 --outputs '*.dat'"),
)
EXPLAIN = Entry(
    "explain",
    "Says why a job on Azure Batch does not go on, and why tasks of it failed. Changes nothing.",
    ExplainParameters,
    check_running,
)
UPKEEP = Entry(
    "upkeep_flow",
    "Finds what runs on Azure Batch have made and not deleted: pools, jobs, stored work.",
    UpkeepParameters,
    check_running,
)
CHECK = Entry(
    "check_flow",
    "Says step by step what works of an Azure Batch account, and what to do about what does not.",
    CheckParameters,
    check_connection,
)
