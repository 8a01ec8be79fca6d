"""What can be seen to be wrong with a run before an account is opened or Prefect imported."""

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from localbatch.launcher import CONNECTION_VARIABLE
from prefect_azure_batch.flows.check_parameters import CheckParameters
from prefect_azure_batch.flows.explain_parameters import ExplainParameters
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.parameters import RunParameters
from prefect_azure_batch.flows.upkeep_parameters import UpkeepParameters
from prefect_azure_batch.tasks.common_files import check_common_names
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.formulas import check_working_hours
from prefect_azure_batch.tasks.inputs import FoundInput, search_inputs
from prefect_azure_batch.tasks.program import check_program
from prefect_azure_batch.tasks.records import BLOB_SCHEME


def check_locally(run: RunParameters) -> None:
    """Refuses what can be seen to be wrong without an account.

    Raises:
        BadInput: says what is wrong.
    """
    for _ in _local_inputs(run):
        pass
    _check(run)


def _check(run: RunParameters) -> None:
    """Makes the checks that all runs have in common, but for those of inputs."""
    if run.app and package_of(run.app) is None:
        check_program(Path(run.app))
    if run.results_place is None:
        check_directory(Path(run.results or "results"), "The results directory", "name another with --results.")
    if run.pool_block is None:
        check_working_hours(run.pool_description, run.time_limit, datetime.now(UTC))
    if any(text.startswith("keyvault:") for text in run.secret.values()):
        _check_identities(run)
    connection = os.environ.get(CONNECTION_VARIABLE)
    if run.results_place and run.account is None and not connection:
        raise BadInput(
            f"--results: a local Azure of a run ends with all that it has stored: start localbatch and set "
            f"{CONNECTION_VARIABLE}, name an account with --account, or name a local directory."
        )
    check_connection(run)


def check_connection(run: RunParameters | CheckParameters) -> None:
    """Refuses to attach to a local Azure of which nothing can be known.

    Raises:
        BadInput: the file that the environment names cannot be read.
    """
    connection = os.environ.get(CONNECTION_VARIABLE)
    if connection and run.account is None and not os.access(connection, os.R_OK):
        raise BadInput(
            f"{CONNECTION_VARIABLE} names {connection!r}, which cannot be read: unset it, or start localbatch."
        )


def _check_identities(run: RunParameters) -> None:
    """Refuses a secret of Key Vault where no node has an identity that could read it."""
    if run.account is None:
        raise BadInput(
            "--secret: the nodes of a local Azure have no managed identity, which Key Vault asks for: try the program "
            "with a prefect: secret."
        )
    described = run.pool_description
    if run.pool_block is None and described.existing is None and not described.identities:
        raise BadInput(
            "--secret: nodes read Key Vault by an identity, and the pool has none: give it identities in a --pool-file."
        )


def check_mpi_locally(run: MpiParameters) -> None:
    """Refuses what can be seen to be wrong with an MPI run without an account.

    Raises:
        BadInput: says what is wrong.
    """
    names = [found.item.name for found in _local_inputs(run)]
    _check(run)
    check_common_names(names)
    if run.account is None and run.mpi == "mvapich":
        raise BadInput("The local Azure has no mvapich: try the program with --mpi mpich, whose line is the same.")
    if run.account is None and run.fabric == "infiniband":
        raise BadInput("The local Azure has no InfiniBand: leave --fabric out, or name an account with --account.")


def check_running(run: UpkeepParameters | ExplainParameters) -> None:
    """Refuses to look for what was made before where there can be nothing.

    Raises:
        BadInput: neither an account is named nor a local Azure.
    """
    if run.account is None and not os.environ.get(CONNECTION_VARIABLE):
        raise BadInput(
            f"Name an account block with --account, or a local Azure that runs in {CONNECTION_VARIABLE}: a local Azure "
            "of a run has ended with it."
        )


def _local_inputs(run: RunParameters) -> Iterator[FoundInput]:
    files = [pattern for pattern in run.inputs if not pattern.startswith(BLOB_SCHEME)]
    return search_inputs(files, lambda container, prefix: []) if files else iter(())


def check_directory(path: Path, what: str, advice: str) -> None:
    """Refuses a directory that is none, or in which nothing can be written; it need not exist yet.

    Raises:
        BadInput: says what is wrong.
    """
    try:
        nearest = path.absolute()
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise BadInput(f"{what} {str(path)!r} cannot be made, for {str(nearest)!r} is no directory: {advice}")
        # Permissions do not say all: there are read-only and special file systems.
        tempfile.TemporaryDirectory(dir=nearest).cleanup()
    except OSError as error:
        raise BadInput(f"{what} {str(path)!r} cannot be written to ({error.strerror}): {advice}") from None


def package_of(app: str) -> tuple[str, str] | None:
    """``id:version`` of an application package; None if ``app`` is a path."""
    application_id, colon, version = app.partition(":")
    return (application_id, version) if colon and version and not Path(app).exists() else None
