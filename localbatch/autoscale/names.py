"""The names that mean something by themselves.

Source: the article "Create a formula to automatically scale compute nodes in a Batch pool".
"""

DEDICATED, LOW_PRIORITY, DEALLOCATION = "$TargetDedicatedNodes", "$TargetLowPriorityNodes", "$NodeDeallocationOption"

ALIASES = {"$TargetDedicated": DEDICATED, "$TargetLowPriority": LOW_PRIORITY}
"""Older names of variables that can be set -> their names."""

SETTABLE = frozenset({DEDICATED, LOW_PRIORITY, DEALLOCATION, *ALIASES})

DEALLOCATION_OPTIONS = ("requeue", "terminate", "taskcompletion", "retaineddata")

TASK_METRICS = ("$ActiveTasks", "$RunningTasks", "$PendingTasks", "$SucceededTasks", "$FailedTasks")
NODE_METRICS = ("$CurrentDedicatedNodes", "$CurrentLowPriorityNodes", "$PreemptedNodeCount", "$SampleNodeCount")
RESOURCE_METRICS = (
    *("$CPUPercent", "$WallClockSeconds", "$MemoryBytes", "$DiskBytes", "$DiskReadBytes", "$DiskWriteBytes"),
    *("$DiskReadOps", "$DiskWriteOps", "$NetworkInBytes", "$NetworkOutBytes"),
)
METRICS = (*TASK_METRICS, *NODE_METRICS, *RESOURCE_METRICS)
"""The sample variables, which can only be read."""

SLOTS = "$TaskSlotsPerNode"

METHODS = ("GetSample", "GetSamplePeriod", "Count", "HistoryBeginTime", "GetSamplePercent")

TICKS = {
    "TimeInterval_Zero": 0,
    "TimeInterval_100ns": 1,
    "TimeInterval_Microsecond": 10,
    "TimeInterval_Millisecond": 10_000,
    "TimeInterval_Second": 10_000_000,
    "TimeInterval_Minute": 60 * 10_000_000,
    "TimeInterval_Hour": 3_600 * 10_000_000,
    "TimeInterval_Day": 86_400 * 10_000_000,
    "TimeInterval_Week": 7 * 86_400 * 10_000_000,
    "TimeInterval_Year": 365 * 86_400 * 10_000_000,
}
"""The constants of type timeinterval, in ticks of 100 ns."""

READ_ONLY = frozenset({*METRICS, SLOTS, *TICKS, *DEALLOCATION_OPTIONS})
