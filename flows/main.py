"""``python -m flows.map_flow``: command line in, report and exit status out."""

import sys
from collections.abc import Sequence

from flows.arguments import MapArguments, parse_map_arguments
from flows.environment import prepare
from flows.preflight import check_locally
from flows.results import MapResult, TasksFailed, text_report
from localbatch.launcher import LocalAzureError
from tasks.errors import BadInput, BatchFlowError

SUCCEEDED, FAILED, BAD_INPUT = 0, 1, 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the map flow from the command line.

    Returns:
        0 if all tasks succeeded, 1 if some failed or the run did, 2 for bad arguments or input, 130 after Ctrl-C.
    """
    try:
        asked = parse_map_arguments(arguments)
        check_locally(asked.run)
        return _run(asked)
    except BadInput as error:
        return _complain(error, BAD_INPUT)
    except (BatchFlowError, LocalAzureError) as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted; what the run had made has been deleted.", INTERRUPTED)


def _run(asked: MapArguments) -> int:
    prepare()
    if sys.stderr.isatty():
        sys.stderr.write("Starting Prefect ...\n")
    from flows.map_flow import map_flow  # Prefect takes seconds to import, and reads its settings then
    from flows.prefect_server import prefect_server

    try:
        with prefect_server():
            result = map_flow(asked.run)
        _report(result, asked.as_json)
    except TasksFailed as error:
        _report(error.result, asked.as_json)
        return _complain(error, FAILED)
    return SUCCEEDED


def _report(result: MapResult, as_json: bool) -> None:
    lines = [result.model_dump_json(indent=2)] if as_json else text_report(result)
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(error: Exception | str, status: int) -> int:
    sys.stderr.write(f"map_flow: {error}\n")
    return status
