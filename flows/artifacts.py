"""A run's results in the Prefect UI."""

from prefect.artifacts import create_table_artifact

from flows.results import MapResult

_MOST_ROWS = 1000


def publish_results(result: MapResult) -> None:
    """Makes a table artifact of a run: one row for each input, failed ones first, at most 1,000.

    Args:
        result: the result of the run.
    """
    ordered = sorted(result.tasks, key=lambda task: task.state != "failed")
    rows = [
        {
            "input": task.input,
            "state": task.state,
            "exit code": task.exit_code,
            "seconds": round((task.ended - task.started).total_seconds(), 1) if task.ended and task.started else None,
            "node": task.node_id,
            "error": task.error,
        }
        for task in ordered[:_MOST_ROWS]
    ]
    create_table_artifact(rows, key="batch-map-results", description=f"{result.counts}; job {result.job_id}")
