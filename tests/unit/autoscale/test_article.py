"""The formulas of Microsoft's article, and of programs that use the service, do what their authors say."""

from datetime import UTC, datetime

import pytest

from localbatch.autoscale.formula import PoolSizes, Samples, compile_formula, evaluate

NOW = datetime(2025, 11, 25, 12, tzinfo=UTC)

PENDING = """
startingNumberOfVMs = 1;
maxNumberofVMs = 25;
pendingTaskSamplePercent = $PendingTasks.GetSamplePercent(180 * TimeInterval_Second);
pendingTaskSamples = pendingTaskSamplePercent < 70 ? startingNumberOfVMs :
    avg($PendingTasks.GetSample(180 * TimeInterval_Second));
$TargetDedicatedNodes=min(maxNumberofVMs, pendingTaskSamples);
$NodeDeallocationOption = taskcompletion;
"""
PREEMPTED = """
maxNumberofVMs = 25;
$TargetDedicatedNodes = min(maxNumberofVMs, $PreemptedNodeCount.GetSample(180 * TimeInterval_Second));
$TargetLowPriorityNodes = min(maxNumberofVMs , maxNumberofVMs - $TargetDedicatedNodes);
$NodeDeallocationOption = taskcompletion;
"""
CPU = """
$totalDedicatedNodes =
    (min($CPUPercent.GetSample(TimeInterval_Minute * 10)) > 0.7) ?
    ($CurrentDedicatedNodes * 1.1) : $CurrentDedicatedNodes;
$totalDedicatedNodes =
    (avg($CPUPercent.GetSample(TimeInterval_Minute * 60)) < 0.2) ?
    ($CurrentDedicatedNodes * 0.9) : $totalDedicatedNodes;
$TargetDedicatedNodes = min(400, $totalDedicatedNodes)
"""
TASKS = """
// Get pending tasks for the past 15 minutes.
$samples = $PendingTasks.GetSamplePercent(TimeInterval_Minute * 15);
// If we have fewer than 70 percent data points, we use the last sample point,
// otherwise we use the maximum of last sample point and the history average.
$tasks = $samples < 70 ? max(0,$PendingTasks.GetSample(1)) :
    max( $PendingTasks.GetSample(1), avg($PendingTasks.GetSample(TimeInterval_Minute * 15)));
// If number of pending tasks is not 0, set targetVM to pending tasks, otherwise
// half of current dedicated.
$targetVMs = $tasks > 0? $tasks:max(0, $TargetDedicatedNodes/2);
// The pool size is capped at 20, if target VM value is more than that, set it
// to 20. This value should be adjusted according to your use case.
$TargetDedicatedNodes = max(0, min($targetVMs, 20));
// Set node deallocation mode - let running tasks finish before removing a node
$NodeDeallocationOption = taskcompletion;
"""
PARALLEL = """
$samples = $ActiveTasks.GetSamplePercent(TimeInterval_Minute * 15);
$tasks = $samples < 70 ? max(0,$ActiveTasks.GetSample(1)) :
    max( $ActiveTasks.GetSample(1),avg($ActiveTasks.GetSample(TimeInterval_Minute * 15)));
$cores = $TargetDedicatedNodes * 4;
$extraVMs = (($tasks - $cores) + 3) / 4;
$targetVMs = ($TargetDedicatedNodes + $extraVMs);
$TargetDedicatedNodes = max(0,min($targetVMs,3));
$NodeDeallocationOption = taskcompletion;
"""
INITIAL = """
    $TargetDedicatedNodes = 4;
    lifespan         = time() - time("Tue, 25 Nov 2025 %s GMT");
    span             = TimeInterval_Minute * 60;
    startup          = TimeInterval_Minute * 10;
    ratio            = 50;

    $TargetDedicatedNodes = (lifespan > startup ?
        (max($RunningTasks.GetSample(span, ratio), $ActiveTasks.GetSample(span, ratio)) == 0
        ? 0 : $TargetDedicatedNodes) : 4);
"""
SHIPYARD = """
maxTasksPerNode = 2;
minTargetDedicated = 0;
maxTargetDedicated = 16777216;
sli = TimeInterval_Second * 900.0;
samplepercent = $PendingTasks.GetSamplePercent(sli);
lastsample = val($PendingTasks.GetSample(1), 0);
samplevecavg = avg($PendingTasks.GetSample(sli));
PendingTaskAvg = samplepercent < 70 ? max(0, lastsample) :
    (lastsample < samplevecavg ? avg(lastsample, samplevecavg) : max(lastsample, samplevecavg));
reqVMs = PendingTaskAvg / maxTasksPerNode;
rebalance = 0 == 1;
currenttotal = $CurrentDedicatedNodes + $CurrentLowPriorityNodes;
$TargetDedicatedNodes = min(maxTargetDedicated, max(minTargetDedicated, reqVMs));
"""


@pytest.mark.parametrize(
    ("formula", "samples", "pool", "targets"),
    [
        (PENDING, {}, PoolSizes(), (1, 0)),
        (PENDING, {"$PendingTasks": [7] * 10}, PoolSizes(), (7, 0)),
        (PENDING, {"$PendingTasks": [90] * 10}, PoolSizes(), (25, 0)),
        (PREEMPTED, {"$PreemptedNodeCount": [0] * 6}, PoolSizes(), (0, 25)),
        (PREEMPTED, {"$PreemptedNodeCount": [3] * 6}, PoolSizes(), (3, 22)),
        (CPU, {"$CPUPercent": [0.9] * 120}, PoolSizes(10, current_dedicated=10), (11, 0)),
        (CPU, {"$CPUPercent": [0.1] * 120}, PoolSizes(10, current_dedicated=10), (9, 0)),
        (CPU, {"$CPUPercent": [0.5] * 120}, PoolSizes(10, current_dedicated=10), (10, 0)),
        (CPU, {"$CPUPercent": [0.9] * 120}, PoolSizes(400, current_dedicated=400), (400, 0)),
        (TASKS, {}, PoolSizes(8), (4, 0)),
        (TASKS, {"$PendingTasks": [3]}, PoolSizes(8), (3, 0)),
        (TASKS, {"$PendingTasks": [60] * 29 + [2]}, PoolSizes(8), (20, 0)),
        (PARALLEL, {"$ActiveTasks": [5]}, PoolSizes(), (2, 0)),
        (PARALLEL, {"$ActiveTasks": [100]}, PoolSizes(1), (3, 0)),
        (INITIAL % "11:55:00", {}, PoolSizes(), (4, 0)),
        (INITIAL % "11:00:00", {"$RunningTasks": [0] * 60, "$ActiveTasks": [0] * 60}, PoolSizes(), (0, 0)),
        (INITIAL % "11:00:00", {"$RunningTasks": [0] * 60, "$ActiveTasks": [1] * 60}, PoolSizes(), (4, 0)),
        (SHIPYARD, {"$PendingTasks": [10] * 30}, PoolSizes(), (5, 0)),
    ],
)
def test_a_formula_of_the_field(formula: str, samples: Samples, pool: PoolSizes, targets: tuple[int, int]) -> None:
    outcome = evaluate(formula, samples=samples, pool=pool, now=NOW)
    assert (outcome.dedicated, outcome.low_priority) == targets


def test_the_official_example_is_answered_as_it_says() -> None:
    # Pools_EvaluatePoolAutoscale.json of API version 2025-06-01.
    results = "$TargetDedicated=1;$NodeDeallocationOption=requeue"
    assert evaluate("$TargetDedicated=1").results == results


def test_a_formula_knows_the_samples_it_may_read() -> None:
    assert compile_formula(INITIAL % "11:55:00").metrics == ("$ActiveTasks", "$RunningTasks")


def test_recorded_answers_of_the_service() -> None:
    assert evaluate("$TargetDedicatedNodes=3").results == (
        "$TargetDedicatedNodes=3;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue"
    )
    failed = compile_formula("$something_useless").evaluate(pool=PoolSizes(target_dedicated=2))
    assert failed.error is not None
    assert (failed.error.code, failed.results) == (
        "AutoScalingFormulaEvaluationError",
        "$TargetDedicatedNodes=2;$TargetLowPriorityNodes=0;$NodeDeallocationOption=requeue",
    )
