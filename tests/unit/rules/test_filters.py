"""Each list is filtered by the properties and operators that the reference names, and by no others.

Source: "OData filters in Batch" of the Batch REST reference, with ``ne`` for states as its newer editions have it.
"""

import pytest

from localbatch.rules import filters
from localbatch.wire.errors import ServiceError
from localbatch.wire.filters import Rules, compile_filter

EQUAL, ORDER, TEXT = "eq ne", "eq ne ge gt le lt", "eq ne ge gt le lt startswith"
TIMES = {"stateTransitionTime": (ORDER, "DateTime"), "creationTime": (ORDER, "DateTime")}
MODIFIED = {**TIMES, "lastModified": (ORDER, "DateTime")}
OF_SCHEDULE = {
    "state": (EQUAL, "'active'"),
    **MODIFIED,
    "executionInfo/startTime": (ORDER, "DateTime"),
    "executionInfo/endTime": (ORDER, "DateTime"),
    "executionInfo/poolId": (TEXT, "'pool'"),
}


def execution(name: str) -> dict[str, tuple[str, str]]:
    return {
        f"{name}/state": ("eq", "'running'"),
        f"{name}/startTime": (ORDER, "DateTime"),
        f"{name}/endTime": (ORDER, "DateTime"),
        f"{name}/exitCode": (ORDER, "1"),
        f"{name}/result": (EQUAL, "'success'"),
    }


LISTS: list[tuple[Rules, dict[str, tuple[str, str]]]] = [
    (
        filters.POOLS,
        {
            "id": (TEXT, "'a'"),
            "state": (EQUAL, "'active'"),
            "allocationState": ("eq", "'steady'"),
            "allocationStateTransitionTime": (ORDER, "DateTime"),
            **MODIFIED,
            "enableAutoScale": (EQUAL, "true"),
            "enableInterNodeCommunication": (EQUAL, "false"),
            "vmSize": (EQUAL, "'standard_d2s_v3'"),
        },
    ),
    (
        filters.NODES,
        {
            "state": (EQUAL, "'idle'"),
            "stateTransitionTime": (ORDER, "DateTime"),
            "lastBootTime": (ORDER, "DateTime"),
            "allocationTime": (ORDER, "DateTime"),
            **execution("startTaskInfo"),
        },
    ),
    (filters.JOBS_OF_SCHEDULE, OF_SCHEDULE),
    (filters.JOBS, {"id": (TEXT, "'a'"), **OF_SCHEDULE}),
    (
        filters.JOB_SCHEDULES,
        {
            "id": (TEXT, "'a'"),
            "state": (EQUAL, "'active'"),
            **MODIFIED,
            "executionInfo/endTime": (ORDER, "DateTime"),
            "schedule/doNotRunUntil": (ORDER, "DateTime"),
            "schedule/doNotRunAfter": (ORDER, "DateTime"),
        },
    ),
    (
        filters.TASKS,
        {
            "id": (TEXT, "'a'"),
            "state": (EQUAL, "'active'"),
            **TIMES,
            "lastModifiedTime": (ORDER, "DateTime"),
            "executionInfo/startTime": (ORDER, "DateTime"),
            "executionInfo/endTime": (ORDER, "DateTime"),
            "executionInfo/exitCode": (ORDER, "1"),
            "executionInfo/result": (EQUAL, "'failure'"),
        },
    ),
    (
        filters.PREPARATION_AND_RELEASE,
        {
            "poolId": (EQUAL, "'pool'"),
            "nodeId": (EQUAL, "'node'"),
            **execution("jobPreparationTaskExecutionInfo"),
            **execution("jobReleaseTaskExecutionInfo"),
        },
    ),
    (filters.FILES, {"name": ("startswith", "'std'")}),
    (filters.NODE_COUNTS, {"poolId": ("eq", "'pool'")}),
    (
        filters.SUPPORTED_IMAGES,
        {
            "osType": (EQUAL, "'linux'"),
            "verificationType": (EQUAL, "'verified'"),
            "nodeAgentSKUId": (EQUAL, "'batch.node.ubuntu 24.04'"),
        },
    ),
    (filters.USAGE_METRICS, {"poolId": ("eq ge gt le lt startswith", "'pool'")}),
]


def comparison(name: str, operator: str, value: str) -> list[str]:
    """Writes a comparison; one with a time, in both of its forms."""
    values = [value]
    if value == "DateTime":
        values = ["DateTime'2030-01-31T08:00:00Z'", "DateTime'Thu, 31 Jan 2030 08:00:00 GMT'"]
    if operator == "startswith":
        return [f"startswith({name}, {each})" for each in values]
    return [f"{name} {operator} {each}" for each in values]


@pytest.mark.parametrize(("rules", "table"), LISTS)
def test_a_list_knows_its_properties_and_operators(rules: Rules, table: dict[str, tuple[str, str]]) -> None:
    assert rules.keys() == table.keys()
    for name, (allowed, value) in table.items():
        for operator in TEXT.split():
            for text in comparison(name, operator, value):
                if operator in allowed.split():
                    compile_filter(text, rules)
                else:
                    with pytest.raises(ServiceError, match="InvalidQueryParameterValue"):
                        compile_filter(text, rules)
