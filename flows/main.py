"""``python -m flows.<name>``: command line in, report and exit status out."""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NoReturn, Protocol

from localbatch.launcher import LocalAzureError
from prefect_azure_batch.flows.arguments import Arguments, parse_arguments
from prefect_azure_batch.flows.check_result import ChecksFailed
from prefect_azure_batch.flows.collector import resting_collector
from prefect_azure_batch.flows.early_starts import early_starts
from prefect_azure_batch.flows.endings import ended_by_signals, first_signal, notes_of
from prefect_azure_batch.flows.entries import Entry
from prefect_azure_batch.flows.environment import prepare
from prefect_azure_batch.flows.plan import PlanRefused
from prefect_azure_batch.flows.results import RunFailed, RunResult
from prefect_azure_batch.flows.streams import NotWritten, open_standard_streams, streams_are_one, write_lines
from prefect_azure_batch.tasks.errors import BadInput, BatchFlowError


class Report(Protocol):
    """What a flow gives back."""

    def json_lines(self) -> Iterator[str]:
        """The result as one JSON document, some lines at a time."""
        ...

    def text(self) -> Iterator[str]:
        """What a person reads."""
        ...


SUCCEEDED, FAILED, BAD_INPUT = 0, 1, 2


def main(entry: Entry, arguments: Sequence[str] | None = None) -> int:
    """Runs a flow from the command line.

    Returns:
        0 if all tasks succeeded, 1 if some failed or the run did, 2 for bad arguments or input, 128 + the number of the
        signal after Ctrl-C, SIGTERM or SIGHUP.
    """
    open_standard_streams()
    try:
        asked = parse_arguments(entry, arguments)
        entry.check(asked.run)
        with ended_by_signals():
            return _run(entry, asked)
    except BadInput as error:
        return _complain(entry, _with_notes(error), BAD_INPUT)
    except (BatchFlowError, LocalAzureError) as error:
        return _complain(entry, _with_notes(error), FAILED)
    except BaseException as error:
        number = first_signal(error)
        if number is None or isinstance(error, Exception):
            raise
        left = " ".join(notes_of(error)) or "no pool or job of the run is left."
        return _complain(entry, f"interrupted; {left}", 128 + number)


def _run(entry: Entry, asked: Arguments) -> int:
    prepare()
    if sys.stderr.isatty():
        sys.stderr.write("Starting Prefect ...\n")
    try:
        with early_starts(asked.run):
            # Prefect takes seconds to import, and reads its settings then.
            with resting_collector():
                flow = getattr(importlib.import_module(f"prefect_azure_batch.flows.{entry.name}"), entry.name)
                from prefect_azure_batch.flows.prefect_server import prefect_server

                _import_engine()

            with prefect_server():
                result = flow(asked.run)
        _report(result, asked.as_json)
    except PlanRefused as error:
        _report(error.plan, asked.as_json)
        return _complain(entry, _rest_of(error, asked), BAD_INPUT)
    except RunFailed as error:
        _report(error.result, asked.as_json)
        return _complain(entry, _rest_of(error, asked), FAILED)
    except ChecksFailed as error:
        _report(error.result, asked.as_json)
        return _complain(entry, error, FAILED)
    except _http_error() as error:
        _tell_without_prefect(entry, asked, error)
    return SUCCEEDED


def _import_engine() -> None:
    """Imports what Prefect imports only when a flow begins, while there is time: its server takes longer to start."""
    for name in ("prefect.flow_engine", "prefect.task_engine", "fastapi.encoders"):
        with suppress(ImportError):  # then Prefect does it in another way
            importlib.import_module(name)


def _http_error() -> type[Exception]:
    """What Prefect raises when its server cannot be reached; known only when it is looked for, for it takes long."""
    import httpx

    return httpx.HTTPError


def _tell_without_prefect(entry: Entry, asked: Arguments, error: Exception) -> NoReturn:
    """Gives the result of a run whose end could not be told to Prefect; it is the same for that."""
    from prefect_azure_batch.flows.results import require_well
    from prefect_azure_batch.flows.telling import kept_result

    result, status = kept_result(), FAILED
    if result is not None:
        _report(result, asked.as_json)
        try:
            require_well(result)
            status = SUCCEEDED
        except RunFailed as failure:
            _complain(entry, _rest_of(failure, asked), FAILED)
    told = "was not told the end" if result is not None else "the run has no result: run again"
    _complain(entry, f"Prefect's server cannot be reached, and {told}: {_with_notes(error)}", status)
    sys.stderr.flush()
    # Prefect would go on for minutes, trying to send what it knows of each task run.
    os._exit(status)


def _report(result: Report, as_json: bool) -> None:
    try:
        write_lines(result.json_lines() if as_json else result.text())
    except NotWritten as error:
        if isinstance(result, RunResult):
            error.add_note(f"{result.counts}; the results are in {result.results}.")
        raise


def _with_notes(error: Exception) -> str:
    """An error, and what could not be deleted when it ended the run."""
    return " ".join([str(error), *notes_of(error)])


def _rest_of(error: RunFailed | PlanRefused, asked: Arguments) -> str:
    """What is left to say of an error when its result has been printed, for a person who sees both."""
    return str(error) if asked.as_json or not streams_are_one() else error.beside_result


def _complain(entry: Entry, error: Exception | str, status: int) -> int:
    sys.stderr.write(f"{entry.name}: {error}\n")
    return status
