"""A run's results in the Prefect UI."""

from itertools import chain, islice

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from prefect_azure_batch.flows.check_result import CheckResult
from prefect_azure_batch.flows.plan import Plan, PlanRefused
from prefect_azure_batch.flows.results import MpiResult, RunResult

_MOST_ROWS = 1000


def publish_results(result: RunResult, key: str) -> None:
    """Makes a table artifact of a run: one row for each task, failed ones first, at most 1,000.

    Args:
        result: the result of the run.
        key: names the artifact: lower-case letters, digits and hyphens.
    """
    failed = (task for task in result.tasks if task.state == "failed")
    others = (task for task in result.tasks if task.state != "failed")
    rows = [
        {
            result.made_for.lower(): task.input,
            "state": task.state,
            "exit code": task.exit_code,
            "seconds": round((task.ended - task.started).total_seconds(), 1) if task.ended and task.started else None,
            "node": task.node_id,
            "error": task.error,
        }
        for task in islice(chain(failed if result.counts.failed else (), others), _MOST_ROWS)
    ]
    create_table_artifact(
        rows, key=key, description="; ".join([f"{result.counts}", f"job {result.job_id}", *result.cost.lines()])
    )


def publish_subtasks(result: MpiResult, key: str) -> None:
    """Makes a table artifact of an MPI run's nodes: the first node, then a row for each subtask.

    Args:
        result: the result of the run.
        key: names the artifact: lower-case letters, digits and hyphens.
    """
    rows: list[dict[str, object]] = [
        {"subtask": "primary", "node": task.node_id, "state": "completed", "exit code": task.exit_code, "error": None}
        for task in result.tasks
    ]
    rows += [
        {
            "subtask": subtask.id,
            "node": subtask.node_id,
            "state": subtask.state,
            "exit code": subtask.exit_code,
            "error": subtask.error,
        }
        for subtask in result.subtasks
    ]
    create_table_artifact(rows, key=key, description=f"{len(rows)} nodes; job {result.job_id}")


def show_plan(plan: Plan) -> Plan:
    """Shows a plan in the Prefect UI, and ends the flow run if the run could not be.

    Raises:
        PlanRefused: says why.
    """
    lines = "\n".join(plan.text())
    create_markdown_artifact(f"```\n{lines}\n```\n", key="batch-plan", description=next(plan.summary()))
    if plan.refusals:
        raise PlanRefused(plan)
    return plan


def publish_findings(result: CheckResult, key: str) -> None:
    """Makes a table artifact of a check: one row for each finding.

    Args:
        result: what was found.
        key: names the artifact: lower-case letters, digits and hyphens.
    """
    rows = [
        {
            "check": found.name,
            "state": found.state,
            "seen": found.seen,
            "what to do": found.advice,
            "command": found.command,
        }
        for found in result.findings
    ]
    create_table_artifact(rows, key=key, description=list(result.text())[-1])
