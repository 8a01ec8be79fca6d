"""The ends of a lease: the formula of a pool, the time limit of a job."""

from datetime import UTC, datetime, timedelta

from prefect_azure_batch.tasks.records import JobPlan

EVALUATION_INTERVAL = timedelta(minutes=5)
"""How often Batch evaluates a pool's formula: the shortest interval that it takes."""


def lease_formula(nodes: int, end: datetime, *, spot: bool = False) -> str:
    """A formula that gives a pool so many nodes until a moment, and none from then on.

    Args:
        nodes: the pool's size until then.
        end: the moment, with its time zone.
        spot: whether they are spot nodes.
    """
    kind = "LowPriority" if spot else "Dedicated"
    other = "Dedicated" if spot else "LowPriority"
    return (
        f'end = time("{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}");\n'
        f"$Target{kind}Nodes = time() < end ? {nodes} : 0;\n"
        f"$Target{other}Nodes = 0;\n"
        "$NodeDeallocationOption = requeue;\n"
    )


def job_limit(plan: JobPlan, age: timedelta = timedelta()) -> timedelta:
    """Longest life of a job from its creation: to the end of a lease that begins now, but no longer than the run's.

    Args:
        plan: the job.
        age: how long ago the job was created.
    """
    return plan.time_limit if plan.lease is None else min(plan.time_limit, age + plan.lease)
