"""What follows from the end of a task, for its job and for the tasks that wait for it."""

import pytest

from localbatch.bodies.tasks import ExitConditions
from localbatch.rules.exit_conditions import Consequences, consequences

BLOCKED = Consequences(False, "terminate")
SATISFIED = Consequences(True, "none")
EXIT, ENDED, MISSING, UPLOAD = "FailureExitCode", "TaskEnded", "BlobNotFound", "FileUploadContainerNotFound"


def conditions(**given: object) -> ExitConditions:
    return ExitConditions.model_validate(given)


@pytest.mark.parametrize(
    ("code", "failure", "expected"),
    [(0, None, SATISFIED), (1, EXIT, BLOCKED), (None, ENDED, BLOCKED), (None, MISSING, BLOCKED), (0, UPLOAD, BLOCKED)],
)
def test_without_conditions_success_satisfies_and_all_else_blocks(
    code: int | None, failure: str | None, expected: Consequences
) -> None:
    assert consequences(None, code, failure) == expected
    assert consequences(conditions(), code, failure) == expected
    assert consequences(conditions(exitCodes=[{"code": 9, "exitOptions": {}}]), code, failure) == expected


def options(action: str) -> dict[str, str]:
    return {"dependencyAction": "satisfy", "jobAction": action}


ALL = conditions(
    exitCodes=[{"code": 3, "exitOptions": options("none")}],
    exitCodeRanges=[{"start": 2, "end": 5, "exitOptions": options("disable")}],
    preProcessingError=options("terminate") | {"dependencyAction": "block"},
    fileUploadError=options("disable"),
    default={"dependencyAction": "satisfy"},
)


@pytest.mark.parametrize(
    ("code", "failure", "expected"),
    [
        (3, EXIT, Consequences(True, "none")),
        (2, EXIT, Consequences(True, "disable")),
        (5, EXIT, Consequences(True, "disable")),
        (6, EXIT, Consequences(True, "terminate")),
        (None, MISSING, Consequences(False, "terminate")),
        (None, "CommandProgramNotFound", Consequences(False, "terminate")),
        (None, ENDED, Consequences(True, "terminate")),
        (0, UPLOAD, Consequences(True, "disable")),
        (3, UPLOAD, Consequences(True, "none")),
        (0, None, SATISFIED),
    ],
)
def test_the_closest_condition_counts(code: int | None, failure: str | None, expected: Consequences) -> None:
    assert consequences(ALL, code, failure) == expected


@pytest.mark.parametrize("failure", [MISSING, UPLOAD, EXIT, ENDED])
def test_the_default_stands_in_for_what_is_left_out(failure: str) -> None:
    only_default = conditions(default={"dependencyAction": "satisfy", "jobAction": "none"})
    assert consequences(only_default, None, failure) == SATISFIED


def test_success_counts_only_if_its_code_is_named() -> None:
    blocking = {"dependencyAction": "block", "jobAction": "disable"}
    assert consequences(conditions(default=blocking), 0, None) == SATISFIED
    named = conditions(exitCodes=[{"code": 0, "exitOptions": blocking}])
    assert consequences(named, 0, None) == Consequences(False, "disable")
