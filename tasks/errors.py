"""The errors of this project, and the one place where SDK errors become them.

BatchFlowError
├── BadInput              what was asked for cannot be run; nothing has been created
├── ServiceFailure        Azure Batch or Storage refused or failed a request
│   └── CleanupFailed     something that a run has made could not be deleted
├── PoolUnusable          the pool has no node that can run a task
├── JobEnded              the job ended before its tasks did
├── DeadlineExceeded      the tasks did not end in the time allowed
├── BudgetSpent           the run has cost all that it may
├── ResultsUnwritable     a file of the results cannot be written on this machine
├── StepFailed            tasks failed on whose outputs the next step of a flow relies
├── TasksFailed           some tasks of the run failed
└── LeftBehind            the run is done, and something that it has made could not be deleted
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.blocks.queries import safe_cause, without_queries

_RETRYABLE_STATUSES = {408, 429, 500, 502, 503, 504}


class BatchFlowError(Exception):
    """Root of the tree. ``retryable`` says whether trying again can help."""

    retryable = False


class BadInput(BatchFlowError):
    """What was asked for cannot be run; raised before anything is created."""


class ServiceFailure(BatchFlowError):
    """Azure refused or failed a request.

    Attributes:
        code: the service's error code, such as ``PoolNotFound``, or an empty string if there was no answer.
        status: HTTP status, or None if there was no answer.
    """

    def __init__(self, message: str, *, code: str = "", status: int | None = None, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retryable = retryable


class CleanupFailed(ServiceFailure):
    """Something that a run has made could not be deleted.

    Attributes:
        left: what is left, in words.
    """

    def __init__(self, message: str, left: Sequence[str], *, retryable: bool = False) -> None:
        super().__init__(message, retryable=retryable)
        self.left = tuple(left)


class PoolUnusable(BatchFlowError):
    """No node of the pool can run a task, and waiting will not change that."""


class JobEnded(BatchFlowError):
    """The job ended (terminated, deleted, out of time) while tasks had not."""


class DeadlineExceeded(BatchFlowError):
    """The tasks did not end within the time allowed for the run."""


class BudgetSpent(BatchFlowError):
    """The run has cost all that it may, and would cost more if it went on."""


class ResultsUnwritable(BatchFlowError):
    """A file of the results cannot be written on this machine: a full disk, no permission."""


class StepFailed(BatchFlowError):
    """Tasks failed on whose outputs the next step of a flow relies."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turns SDK errors raised inside into ``ServiceFailure``, and what a credential cannot do into ``BadInput``.

    Args:
        doing: what was being done, with the id, such as ``create pool 'p1'``.

    Raises:
        ServiceFailure: for every error of azure-core; the cause is kept if it shows no link with a query.
        BadInput: for every error of a credentials block.
    """
    try:
        yield
    except CredentialError as error:
        raise BadInput(f"Could not {doing}: {without_queries(str(error))}") from safe_cause(error)
    except HttpResponseError as error:
        code = _error_code(error)
        retryable = error.status_code in _RETRYABLE_STATUSES
        message = f"Could not {doing}: {_first_line(error)}{_reason(error)}"
        if error.response is None:
            message += " Sign in, as by `az login`, or give the account's block another credential."
        if error.status_code == 403:
            message += " Check the account's credential and this machine's clock."
        raise ServiceFailure(message, code=code, status=error.status_code, retryable=retryable) from safe_cause(error)
    except (ServiceRequestError, ServiceResponseError) as error:
        message = f"Could not {doing}: no answer ({_refusal(error) or _first_line(error)})."
        raise ServiceFailure(message, retryable=True) from safe_cause(error)
    except AzureError as error:
        raise ServiceFailure(f"Could not {doing}: {_first_line(error)}") from safe_cause(error)


def _refusal(error: BaseException) -> str:
    """What the machine said of a connection, such as ``lab.batch.azure.com: Connection refused``, if it did."""
    host, seen = "", set[int]()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        host = getattr(vars(link).get("pool"), "host", host)
        if isinstance(link, OSError) and link.strerror:
            return f"{host}: {link.strerror}" if host else link.strerror
        inner = (getattr(link, "inner_exception", None), getattr(link, "reason", None), link.__cause__, *link.args)
        link = next((one for one in inner if isinstance(one, BaseException)), None)
    return ""


def _error_code(error: HttpResponseError) -> str:
    code = getattr(error, "error_code", None) or getattr(error.error, "code", None)
    return str(code or "")


def _reason(error: HttpResponseError) -> str:
    """Returns which property Batch refused and why, as far as it says; never a value, which may be secret."""
    details = getattr(error.error, "details", None) or []
    values = {getattr(item, "code", ""): str(getattr(item, "message", "")) for item in details}
    told = [values[name] for name in ("PropertyName", "Reason") if values.get(name)]
    return f" {': '.join(told)}" if told else ""


def _first_line(error: AzureError) -> str:
    lines = str(error.message).strip().splitlines()
    return without_queries(lines[0]) if lines else type(error).__name__
