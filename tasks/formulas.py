"""The formulas of pools and the time limits of jobs: how many nodes there are when, and the ends of a lease.

A formula is one of a scenario, with what is known when it is sent in it as numbers, or one of somebody's own. The lease
is the same few lines at the end of each: from a moment on, which the run that lives puts off, there is no node.
"""

import re
from datetime import UTC, datetime, timedelta

from localbatch.autoscale.errors import FormulaError, InsufficientSamplesError
from localbatch.autoscale.formula import PoolSizes, evaluate
from localbatch.autoscale.names import METRICS
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.blocks.pool_parts import Autoscale
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.records import JobPlan, PoolPlan

EVALUATION_INTERVAL = timedelta(minutes=5)
"""How often Batch evaluates a pool's formula: the shortest interval that it takes."""

_BEGINNING = timedelta(minutes=10)
"""How long a new pool is as large as its run needs it, whatever the samples say, which come late."""

_SETS_A_TARGET = re.compile(r"\$Target(?:Dedicated|LowPriority)(?:Nodes)?\s*=(?!=)")
# The first versions called it "end".
_LEASE_END = re.compile(r'^(?:leaseEnd|end) = time\("([^"]+)"\);', re.MULTILINE)
_WEEKDAYS = {name: number for number, name in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"), start=1)}


def check_formula(text: str) -> None:
    """Refuses a formula that Batch could not read or evaluate, or that sets no size.

    It is evaluated once, with made-up samples; that there are too few of them for it is no fault of its own.

    Raises:
        BadInput: says what is wrong, with line and column.
    """
    if not _SETS_A_TARGET.search(text):
        raise BadInput("autoscale.formula: it sets neither $TargetDedicatedNodes nor $TargetLowPriorityNodes.")
    try:
        evaluate(text, samples=dict.fromkeys(METRICS, [1.0] * 120), pool=PoolSizes(1, 1, 1, 1))
    except InsufficientSamplesError:
        return
    except FormulaError as error:
        raise BadInput(f"autoscale.formula: {error}") from None


def check_working_hours(asked: PoolDescription, limit: timedelta, now: datetime) -> None:
    """Refuses a run that would be over before its pool had a node.

    Args:
        asked: what the pool shall be.
        limit: longest life of the run.
        now: when it begins, with its time zone.

    Raises:
        BadInput: says when the pool's working hours begin.
    """
    scale = asked.autoscale
    if scale is None or scale.formula or scale.scenario != "working-hours" or scale.min_nodes:
        return
    first = _next_working_moment(scale, now)
    if first - now >= limit:
        raise BadInput(
            f"autoscale: the working hours begin on {first:%A} at {first:%H:%M} UTC, and there is no node before; this "
            f"run ends at {now.astimezone(UTC) + limit:%H:%M} UTC: give it more --hours, or the pool min_nodes."
        )


def _next_working_moment(scale: Autoscale, now: datetime) -> datetime:
    offset = timedelta(hours=scale.utc_offset_hours)
    local = now.astimezone(UTC) + offset
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    for day in (midnight + timedelta(days=number) for number in range(8)):
        begin, end = (day + timedelta(hours=hour) for hour in scale.hours)
        if day.isoweekday() in {_WEEKDAYS[name] for name in scale.days} and local < end:
            return max(begin, local) - offset
    raise AssertionError("there is a working day in each week")


def pool_formula(plan: PoolPlan, begun: datetime, end: datetime | None) -> str:
    """The formula that decides on the size of a pool.

    Args:
        plan: the pool.
        begun: when its run began, with its time zone.
        end: the moment from which it has no node, with its time zone; None for no such moment.
    """
    scale = plan.description.autoscale
    if scale is None:
        lines = _targets(str(plan.description.dedicated_nodes), str(plan.description.spot_nodes), "requeue")
    elif scale.formula is not None:
        lines = [scale.formula.rstrip().rstrip(";") + ";"]
    else:
        # Whoever loses a node on the way down ends his task first; the job's own lease bounds that.
        lines = _scenario(plan, scale, begun)
    return "\n".join([*lines, *(_lease(end) if end else [])]) + "\n"


def _lease(end: datetime) -> list[str]:
    return [
        f"leaseEnd = {_moment(end)};",
        "$TargetDedicatedNodes = time() < leaseEnd ? $TargetDedicatedNodes : 0;",
        "$TargetLowPriorityNodes = time() < leaseEnd ? $TargetLowPriorityNodes : 0;",
    ]


def lease_end(formula: str) -> datetime | None:
    """The moment from which a pool with such a formula has no node; None if there is none, or it is not one of ours."""
    found = _LEASE_END.search(formula)
    return datetime.fromisoformat(found[1]) if found else None


def _targets(dedicated: str, spot: str, deallocation: str = "taskcompletion") -> list[str]:
    return [
        f"$TargetDedicatedNodes = {dedicated};",
        f"$TargetLowPriorityNodes = {spot};",
        f"$NodeDeallocationOption = {deallocation};",
    ]


def _scenario(plan: PoolPlan, scale: Autoscale, begun: datetime) -> list[str]:
    dedicated, spot = plan.description.dedicated_nodes, plan.description.spot_nodes
    if scale.scenario == "working-hours":
        least = min(scale.min_nodes, dedicated)
        return [
            *_clock(scale),
            *_targets(f"works ? {dedicated} : {least}", f"works ? {spot} : {scale.min_nodes - least}"),
        ]
    lines = _needed(plan, scale, begun)
    if scale.scenario == "spot-first":
        # What is not there as spot, for there is no capacity or it was taken away, is had as dedicated nodes.
        lines += [
            f"spot = min({spot}, wanted);",
            f"had = isNew ? spot : min(spot, {_last('CurrentLowPriorityNodes')});",
        ]
        return lines + _targets(f"min({dedicated}, max(0, wanted - had))", "spot")
    lines += [f"dedicated = min({dedicated}, wanted);", f"spot = min({spot}, max(0, wanted - {dedicated}));"]
    if scale.scenario == "pending":
        return lines + _targets("dedicated", "spot")
    now = {kind: _last(f"Current{kind}Nodes") for kind in ("Dedicated", "LowPriority")}
    return lines + _targets(
        f"isNew ? dedicated : min(dedicated, {now['Dedicated']})", f"isNew ? spot : min(spot, {now['LowPriority']})"
    )


def _needed(plan: PoolPlan, scale: Autoscale, begun: datetime) -> list[str]:
    """How many nodes are wanted for the tasks that wait or run.

    A quotient is rounded up by adding to what is divided: Batch cuts fractions of targets off. Source of the guarded
    samples: "Autoscale compute nodes in an Azure Batch pool", Microsoft Learn.
    """
    each, size = plan.tasks_of_node, plan.description.size
    start = size if plan.tasks is None else min(size, -(-plan.tasks // each))
    least = f"pending > 0 ? max(needed, {plan.instances}) : needed" if plan.instances else "needed"
    return [
        f"isNew = time() < {_moment(begun + _BEGINNING)};",
        f"last = {_last('PendingTasks')};",
        "window = TimeInterval_Minute * 5;",
        "share = $PendingTasks.GetSamplePercent(window);",
        "pending = share < 70 ? last : max(last, avg($PendingTasks.GetSample(window)));",
        f"needed = (pending + {each - 1}) / {each};",
        f"needed = {least};",
        f"needed = isNew ? max(needed, {max(start, plan.instances or 0)}) : needed;",
        f"wanted = min({size}, max({scale.min_nodes}, needed));",
    ]


def _last(variable: str) -> str:
    return f"max(0, ${variable}.GetSample(1))"


def _clock(scale: Autoscale) -> list[str]:
    days = " || ".join(f"now.weekday == {_WEEKDAYS[day]}" for day in scale.days)
    first, end = scale.hours
    return [
        f"now = time() + TimeInterval_Minute * ({scale.utc_offset_hours * 60:g});",
        f"works = ({days}) && now.hour >= {first} && now.hour < {end};",
    ]


def _moment(moment: datetime) -> str:
    return f'time("{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")'


def job_limit(plan: JobPlan, age: timedelta = timedelta()) -> timedelta:
    """Longest life of a job from its creation: to the end of a lease that begins now, but no longer than the run's.

    Args:
        plan: the job.
        age: how long ago the job was created.
    """
    return plan.time_limit if plan.lease is None else min(plan.time_limit, age + plan.lease)
