"""Which properties each list can be filtered by, and with which operators.

Source: "OData filters in Batch" in the Batch REST reference.
"""

from datetime import datetime

from localbatch.rules import states
from localbatch.wire.filters import PropertyRule, Rules

_EQUAL = frozenset({"eq", "ne"})
_ORDER = _EQUAL | {"ge", "gt", "le", "lt"}
_TEXT = PropertyRule(_ORDER | {"startswith"})
_NAME = PropertyRule(_EQUAL)
_TIME = PropertyRule(_ORDER, datetime)
_FLAG = PropertyRule(_EQUAL, bool)
_RESULT = PropertyRule(_EQUAL, choices=("success", "failure"))
_PREFIX = PropertyRule(frozenset({"startswith"}))


def _state(table: states.StateTable) -> PropertyRule:
    return PropertyRule(_EQUAL, choices=table.states)


def _execution(prefix: str) -> dict[str, PropertyRule]:
    return {
        f"{prefix}/state": PropertyRule(frozenset({"eq"}), choices=states.NODE_COMMAND.states),
        f"{prefix}/startTime": _TIME,
        f"{prefix}/endTime": _TIME,
        f"{prefix}/exitCode": PropertyRule(_ORDER, int),
        f"{prefix}/result": _RESULT,
    }


_TIMES = {"stateTransitionTime": _TIME, "creationTime": _TIME, "lastModified": _TIME}

POOLS: Rules = {
    "id": _TEXT,
    "state": _state(states.POOL),
    "allocationState": PropertyRule(frozenset({"eq"}), choices=states.ALLOCATION.states),
    "allocationStateTransitionTime": _TIME,
    **_TIMES,
    "enableAutoScale": _FLAG,
    "enableInterNodeCommunication": _FLAG,
    "vmSize": _NAME,
}
NODES: Rules = {
    "state": _state(states.NODE),
    "stateTransitionTime": _TIME,
    "lastBootTime": _TIME,
    "allocationTime": _TIME,
    **_execution("startTaskInfo"),
}
JOBS_OF_SCHEDULE: Rules = {
    "state": _state(states.JOB),
    **_TIMES,
    "executionInfo/startTime": _TIME,
    "executionInfo/endTime": _TIME,
    "executionInfo/poolId": _TEXT,
}
JOBS: Rules = {"id": _TEXT, **JOBS_OF_SCHEDULE}
JOB_SCHEDULES: Rules = {
    "id": _TEXT,
    "state": _state(states.JOB_SCHEDULE),
    **_TIMES,
    "executionInfo/endTime": _TIME,
    "schedule/doNotRunUntil": _TIME,
    "schedule/doNotRunAfter": _TIME,
}
TASKS: Rules = {
    "id": _TEXT,
    "state": _state(states.TASK),
    "stateTransitionTime": _TIME,
    "creationTime": _TIME,
    # The one name which differs from the property's own.
    "lastModifiedTime": PropertyRule(_ORDER, datetime, path="lastModified"),
    "executionInfo/startTime": _TIME,
    "executionInfo/endTime": _TIME,
    "executionInfo/exitCode": PropertyRule(_ORDER, int),
    "executionInfo/result": _RESULT,
}
PREPARATION_AND_RELEASE: Rules = {
    "poolId": _NAME,
    "nodeId": _NAME,
    **_execution("jobPreparationTaskExecutionInfo"),
    **_execution("jobReleaseTaskExecutionInfo"),
}
ARM_POOLS: Rules = {
    "name": _TEXT,
    "properties/allocationState": _state(states.ALLOCATION),
    "properties/allocationStateTransitionTime": _TIME,
    "properties/creationTime": _TIME,
    "properties/provisioningState": PropertyRule(_EQUAL, choices=("succeeded", "deleting")),
    "properties/provisioningStateTransitionTime": _TIME,
    "properties/lastModified": _TIME,
    "properties/vmSize": _NAME,
    "properties/interNodeCommunication": PropertyRule(_EQUAL, choices=("enabled", "disabled")),
}
FILES: Rules = {"name": _PREFIX}
NODE_COUNTS: Rules = {"poolId": PropertyRule(frozenset({"eq"}))}
SUPPORTED_IMAGES: Rules = {"osType": _NAME, "verificationType": _NAME, "nodeAgentSKUId": _NAME}
VM_SKUS: Rules = {"familyName": _NAME}
USAGE_METRICS: Rules = {"poolId": PropertyRule(frozenset({"eq", "ge", "gt", "le", "lt", "startswith"}))}
