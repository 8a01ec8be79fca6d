"""What the end of a task means to its job and to the tasks that wait for it: pure.

Source: ``ExitConditions`` and ``ExitOptions`` in the Batch REST reference, API version 2025-06-01.
"""

from dataclasses import dataclass

from localbatch.bodies.tasks import ExitConditions, ExitOptions

SATISFY, BLOCK = "satisfy", "block"
NONE, DISABLE, TERMINATE = "none", "disable", "terminate"
JOB_ACTIONS = (NONE, DISABLE, TERMINATE)
ACTS_ON_FAILURE = "performexitoptionsjobaction"
"""``onTaskFailure`` of jobs for which job actions count."""
DEPENDENCY_ACTIONS = (SATISFY, BLOCK)

# A task with one of these codes was started; with any other it failed before.
_STARTED = ("FailureExitCode", "TaskEnded")
_UPLOAD = "FileUpload"


@dataclass(frozen=True)
class Consequences:
    """What follows from the end of a task.

    Attributes:
        satisfies: whether tasks that wait for it need not wait any longer.
        job_action: ``none``, ``disable`` or ``terminate``, for jobs that act when a task fails.
    """

    satisfies: bool
    job_action: str


def consequences(conditions: ExitConditions | None, exit_code: int | None, failure: str | None) -> Consequences:
    """Tells what follows from the end of a task whose retries are used up.

    Args:
        conditions: what its client wants, if anything.
        exit_code: of its program; None if there is none.
        failure: code of its ``failureInfo``; None if it has succeeded.
    """
    options = _chosen(conditions or ExitConditions(), exit_code, failure) or ExitOptions()
    by_default = (BLOCK, TERMINATE) if failure else (SATISFY, NONE)
    dependency_action = options.dependency_action or by_default[0]
    return Consequences(dependency_action == SATISFY, options.job_action or by_default[1])


def _chosen(conditions: ExitConditions, exit_code: int | None, failure: str | None) -> ExitOptions | None:
    by_code = _of_code(conditions, exit_code)
    if by_code is not None or failure is None:
        return by_code
    if failure.startswith(_UPLOAD):
        return conditions.file_upload_error or conditions.default
    if failure not in _STARTED:
        return conditions.pre_processing_error or conditions.default
    return conditions.default


def _of_code(conditions: ExitConditions, code: int | None) -> ExitOptions | None:
    if code is None:
        return None
    exact = (each.exit_options for each in conditions.exit_codes if each.code == code)
    ranges = (each.exit_options for each in conditions.exit_code_ranges if each.start <= code <= each.end)
    return next(exact, None) or next(ranges, None)
