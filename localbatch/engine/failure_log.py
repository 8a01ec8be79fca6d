"""Why commands failed, in the service's log: before their program began, or when their outputs were uploaded.

Such a task leaves nothing on its node that would tell. Details hold no signatures.
"""

import logging

from localbatch.driver.interface import Outcome

logger = logging.getLogger("localbatch")

# The program's own end is its user's business.
_ENDS_OF_PROGRAMS = {"FailureExitCode", "TaskEnded"}


def tell_failure(what: str, node_id: str, outcome: Outcome) -> None:
    """Logs the reason of a failure that the program itself cannot tell.

    Args:
        what: the command, such as "task t of job j".
        node_id: where it was to run.
        outcome: how it ended.
    """
    failure = outcome.failure
    if failure is None or failure.code in _ENDS_OF_PROGRAMS:
        return
    details = "; ".join(f"{name}: {value}" for name, value in failure.details)
    logger.warning("%s failed on node %s: %s (%s)", what, node_id, failure.code, details or failure.message)
