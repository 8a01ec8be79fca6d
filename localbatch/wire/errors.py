"""What the service answers when it refuses a request, and what it writes on a task or node that failed.

Two tables hold every code the service may use: ``ERRORS`` for refused requests (HTTP status and text) and ``FAILURES``
for ``failureInfo`` (category and text). Source: "Batch Status and Error Codes" in the Batch REST reference.

    Exception
    +-- ServiceError    a request is refused; carries code, HTTP status, text and named values
"""

from collections.abc import Iterable
from datetime import datetime

from localbatch.wire.formats import JsonObject, format_time

_ENTITIES = "Microsoft.Azure.Batch.Protocol.Entities.Container"
_LONGEST_VALUE = 1024
_READ_CONDITION = "The condition specified in the conditional header(s) was not met for a read operation."

_BY_STATUS: dict[int, dict[str, str]] = {
    400: {
        "MissingRequiredHeader": "A required HTTP header was not specified.",
        "MissingRequiredProperty": "A required property was not specified in the request body.",
        "UnsupportedHeader": "One of the HTTP headers specified in the request is not supported.",
        "UnsupportedProperty": "One of the properties specified in the request body is not supported.",
        "InvalidHeaderValue": "The value provided for one of the HTTP headers was not in the correct format.",
        "InvalidPropertyValue": "The value provided for one of the properties in the request body is invalid.",
        "MissingRequiredQueryParameter": "A required query parameter was not specified for this request.",
        "UnsupportedQueryParameter": "One of the query parameters specified in the request URI is not supported.",
        "InvalidQueryParameterValue": "Value for one of the query parameters specified in the request URI is invalid",
        "OutOfRangeQueryParameterValue": (
            "A query parameter specified in the request URI is outside the permissible range."
        ),
        "RequestUrlFailedToParse": "The url in the request could not be parsed.",
        "InvalidUri": "The requested URI does not represent any resource on the server.",
        "InvalidHttpVerb": "The HTTP verb specified was not recognized by the server.",
        "EmptyMetadataKey": "The key for one of the metadata key-value pairs is empty.",
        "InvalidRequestBody": "The specified Request Body is not syntactically valid.",
        "OutOfRangeInput": "One of the request inputs is out of range.",
        "InvalidAuthenticationInfo": (
            "The authentication information was not provided in the correct format. "
            "Verify the value of Authorization header."
        ),
        "InvalidInput": "One of the request inputs is not valid.",
        "InvalidMetadata": "The specified metadata is invalid. It includes characters that are not permitted.",
        "MetadataTooLarge": "The size of the specified metadata exceeds the maximum size permitted.",
        "MultipleConditionHeadersNotSupported": "Multiple condition headers are not supported.",
        "UnsupportedRequestVersion": "The specified request version is not supported.",
        "InvalidAutoScalingSettings": "The specified auto-scaling settings are not valid.",
        "AutoScalingFormulaSyntaxError": "The specified auto-scaling formula has a syntax error.",
        "AutoScalingFormulaTooLong": "The specified auto-scaling formula is longer than permitted.",
        "TaskDependenciesNotSpecifiedOnJob": (
            "A task was specified as depending on other tasks, "
            "but the job did not specify that it would use task dependencies."
        ),
        "TaskDependencyListTooLong": "The ids of the tasks this task depends on are longer than 64000 characters.",
        "TaskDependencyRangesTooLong": "This task depends on more ranges of task ids than can be stored.",
    },
    403: {
        "AuthenticationFailed": (
            "Server failed to authenticate the request. "
            "Make sure the value of Authorization header is formed correctly including the signature."
        ),
        "InsufficientAccountPermissions": (
            "The account being accessed does not have sufficient permissions to execute this operation."
        ),
        "AccountIsDisabled": "The specified account is disabled.",
        "IOError": "An I/O error occurred when accessing the specified resource.",
    },
    404: {
        "ResourceNotFound": "The specified resource does not exist.",
        "PoolNotFound": "The specified pool does not exist.",
        "NodeNotFound": "The specified node does not exist.",
        "JobScheduleNotFound": "The specified job schedule does not exist.",
        "JobNotFound": "The specified job does not exist.",
        "TaskNotFound": "The specified task does not exist.",
        "FileNotFound": "The specified file does not exist.",
        "NodeUserNotFound": "The specified node user does not exist.",
        "ApplicationNotFound": "The specified application does not exist.",
        "JobPreparationTaskNotRunOnNode": "The job preparation task did not run on the specified node.",
        "JobReleaseTaskNotRunOnNode": "The job release task did not run on the specified node.",
        "NodeAgentSKUNotFound": "The specified Node Agent SKU does not exist.",
    },
    405: {"UnsupportedHttpVerb": "The resource doesn't support the specified HTTP verb."},
    409: {
        "PoolExists": "The specified pool already exists.",
        "JobExists": "The specified job already exists.",
        "TaskExists": "The specified task already exists.",
        "JobScheduleExists": "The specified job schedule already exists.",
        "NodeUserExists": "The specified node user already exists.",
        "JobWithSameIdExists": "A job with the id of this job schedule exists; a job and a schedule can't share an id.",
        "JobScheduleWithSameIdExists": (
            "A job schedule with the id of this job exists; a job and a schedule can't share an id."
        ),
        "OperationInvalidForCurrentState": (
            "The specified operation is not valid for the current state of the resource."
        ),
        "PoolBeingDeleted": "The specified pool has been marked for deletion and is being reclaimed.",
        "PoolBeingResized": "The specified pool is being resized.",
        "PoolBeingCreated": "The specified pool is being created.",
        "NodeBeingCreated": "The specified node is being created.",
        "NodeBeingStarted": "The specified node is being started.",
        "NodeBeingReimaged": "The specified node is being reimaged.",
        "NodeBeingRebooted": "The specified node is being rebooted.",
        "NodeStateUnusable": "The state of the specified node is unusable.",
        "JobBeingDeleted": "The specified job has been marked for deletion and is being garbage collected.",
        "JobBeingTerminated": "The specified job is being terminated.",
        "JobDisabled": "The specified job is disabled.",
        "JobCompleted": "The specified job is already in a completed state.",
        "JobNotActive": "The specified job is not in active state.",
        "JobScheduleBeingTerminated": "The specified job schedule is being terminated.",
        "JobScheduleBeingDeleted": "The specified job schedule has been marked for deletion and is being reclaimed.",
        "JobScheduleDisabled": "The specified job schedule is disabled.",
        "JobScheduleCompleted": "The specified job schedule is already in completed state.",
        "TaskCompleted": "The specified task is already in a completed state.",
        "TaskNotCompleted": "The specified task is not in a completed state, which the operation requires.",
        "TaskSucceeded": "The specified task has completed successfully, so the operation can't be performed on it.",
        "TaskFilesUnavailable": "The files of the specified task are unavailable.",
        "TaskFilesCleanedup": "The files of the specified task are cleaned up.",
        "ActiveJobAndScheduleQuotaReached": "Active job and schedule quota for the account has been reached.",
        "PoolQuotaReached": "Pool quota for the account has been reached.",
        "JobPreparationTaskNotSpecified": "The specified job does not have a job preparation task.",
        "JobReleaseTaskNotSpecified": "The specified job does not have a job release task.",
        "TaskIdSameAsJobPreparationTask": "The specified task id is the same as that of the job preparation task.",
        "TaskIdSameAsJobReleaseTask": "The specified task id is the same as that of the job release task.",
        "NodeAlreadyInTargetSchedulingState": "The specified node is already in the target scheduling state.",
        "OperationNotValidOnNode": "The specified operation is not valid on the node.",
        "OperationNotValidOnPool": "The specified operation is not valid on the pool.",
        "InvalidApplicationPackageReferences": (
            "One or more application package references could not be satisfied: the application or its version "
            "does not exist or is not active, or no version was named and there is no default version."
        ),
    },
    411: {"MissingContentLengthHeader": "The Content-Length header was not specified."},
    412: {
        "ConditionNotMet": "The condition specified in the conditional header(s) was not met for a write operation.",
    },
    413: {"RequestBodyTooLarge": "The size of the request body exceeds the maximum size permitted."},
    416: {"InvalidRange": "The range specified is invalid for the current size of the resource."},
    500: {
        "InternalError": "The server encountered an internal error. Please retry the request.",
        "OperationTimedOut": "The operation could not be completed within the permitted time.",
    },
    # Not of Azure: what the local service knows of and does not do.
    501: {"NotEmulated": "The local Batch service does not emulate this operation."},
    503: {
        "ServerBusy": "The server is currently unable to receive requests. Please retry your request.",
        "TooManyEnableAutoScaleRequests": "Too many Enable Pool AutoScale requests are issued on the pool.",
    },
}

ERRORS: dict[str, tuple[int, str]] = {
    code: (status, text) for status, texts in _BY_STATUS.items() for code, text in texts.items()
}
"""Error code -> HTTP status and user message."""

USER, SERVER = "usererror", "servererror"

FAILURES: dict[str, tuple[str, str]] = {
    "BlobNotFound": (USER, "One of the specified Azure Blob(s) is not found"),
    "BlobAccessDenied": (USER, "Access for one of the specified Azure Blob(s) is denied"),
    "CommandProgramNotFound": (USER, "The specified command program is not found"),
    "CommandLaunchFailed": (USER, "The specified command could not be launched"),
    "ContainerPoolNotSupported": (USER, "The pool does not support tasks in containers"),
    "ContainerInvalidImage": (USER, "One or more container images specified are invalid"),
    "FailureExitCode": (USER, "The task exited with an exit code representing a failure"),
    "TaskEnded": (USER, "Task Was Ended by User Request"),
    "MaxInternalRetryCountReached": (USER, "The task was lost with its node more often than it may be started again"),
    "TaskSchedulingConstraintFailed": (USER, "The scheduling constraint of the task is not met"),
    "FileUploadContainerNotFound": (USER, "One of the specified Azure container(s) was not found while uploading"),
    "FileUploadAccessDenied": (USER, "Access for one of the specified Azure container(s) was denied while uploading"),
    "FileUploadMiscError": (SERVER, "Miscellaneous error encountered while uploading one of the output files"),
    "BlobDownloadTimedOut": (SERVER, "Timeout encountered while downloading one of the specified Azure Blob(s)"),
    "BlobDownloadMiscError": (
        SERVER,
        "Miscellaneous error encountered while downloading one of the specified Azure Blob(s)",
    ),
    "ResourceDirectoryCreateFailed": (SERVER, "The resource directory of the task could not be created"),
    "ResourceFileCreateFailed": (SERVER, "A resource file of the task could not be created"),
    "ResourceFileWriteFailed": (SERVER, "A resource file of the task could not be written"),
    "DiskFull": (SERVER, "There is not enough disk space on the node"),
    "Unknown": (SERVER, "An unknown scheduling error has occurred"),
    "AutoPoolCreationFailedWithQuotaReached": (USER, "The pool quota for the account is reached"),
    "InvalidApplicationPackageReferencesInAutoPool": (
        USER,
        "One or more application packages specified for the pool are invalid",
    ),
    "InvalidAutoScaleFormulaInAutoPool": (USER, "The specified auto-scaling settings are not valid"),
    "InvalidAutoPoolSettings": (USER, "The specified autopool settings are not valid"),
    "JobBeingTerminated": (USER, "The task can't be started because its job is being terminated"),
}
"""Code of a ``failureInfo`` or ``schedulingError`` -> category and message."""


class ServiceError(Exception):
    """A request is refused with one of the codes of ``ERRORS``.

    Args:
        code: such as ``PoolNotFound``.
        message: instead of the table's text.
        values: further facts by name, in the order in which they are shown.
        status: instead of the table's; ``ConditionNotMet`` is 412 unless a read asks for 304.

    Raises:
        KeyError: the code is not in the table.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        values: Iterable[tuple[str, str]] = (),
        *,
        status: int | None = None,
    ) -> None:
        usual_status, usual_message = ERRORS[code]
        self.code = code
        self.status = usual_status if status is None else status
        self.message = message or (_READ_CONDITION if self.status == 304 else usual_message)
        self.values = tuple(values)
        named = "".join(f"; {name}: {value}" for name, value in self.values)
        super().__init__(f"({code}) {self.message}{named}")

    @property
    def reason(self) -> str:
        """The message as an HTTP reason phrase: one line of printable ASCII."""
        printable = (character if " " <= character <= "~" else " " for character in self.message)
        return " ".join("".join(printable).split())


def invalid_property(name: str, value: object, reason: str) -> ServiceError:
    """Makes the refusal of one property of a request body.

    Args:
        name: as on the wire, such as ``taskSlotsPerNode``.
        value: as the client sent it.
        reason: a sentence saying what is wrong with it.
    """
    return ServiceError(
        "InvalidPropertyValue",
        values=(("PropertyName", name), ("PropertyValue", _short(value)), ("Reason", reason)),
    )


def unreadable_property(name: str, reason: str) -> ServiceError:
    """Makes the refusal of a body with a property that does not exist, or whose value is of another JSON type.

    Azure answers so, too, and names the property only in the reason. Source: "Software entitlement service REST API" of
    Azure Batch, and issue 12147 of azure-powershell.

    Args:
        name: path of the property.
        reason: a sentence saying what is wrong with it.
    """
    return ServiceError("InvalidRequestBody", values=(("PropertyName", name), ("Reason", reason)))


def unknown_property(name: str) -> ServiceError:
    """Makes the refusal of a property that the operation does not have.

    Args:
        name: path of the property.
    """
    reason = f"The property '{name}' does not exist. Make sure to only use property names that are defined by the type."
    return unreadable_property(name, reason)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def invalid_query_parameter(name: str, value: object, reason: str) -> ServiceError:
    """Makes the refusal of one query parameter, such as ``$filter``.

    Args:
        name: as on the wire.
        value: as the client sent it.
        reason: a sentence saying what is wrong with it.
    """
    return ServiceError(
        "InvalidQueryParameterValue",
        values=(("QueryParameterName", name), ("QueryParameterValue", _short(value)), ("Reason", reason)),
    )


def error_body(error: ServiceError, base_url: str, request_id: str, now: datetime) -> JsonObject:
    """Makes the body of a refusal.

    Args:
        error: the refusal.
        base_url: scheme and host as the client named them, with or without a slash at the end.
        request_id: the id also sent as the ``request-id`` header.
        now: the moment of the answer, with a time zone.
    """
    text = f"{error.message}\nRequestId:{request_id}\nTime:{format_time(now)}"
    body: JsonObject = {
        "odata.metadata": f"{base_url.rstrip('/')}/$metadata#{_ENTITIES}.errors/@Element",
        "code": error.code,
        "message": {"lang": "en-US", "value": text},
    }
    if error.values:
        body["values"] = [{"key": name, "value": value} for name, value in error.values]
    return body


def failure_info(code: str, details: Iterable[tuple[str, str]] = (), message: str | None = None) -> JsonObject:
    """Makes a ``failureInfo`` from its code.

    Args:
        code: a code of ``FAILURES``, such as ``TaskEnded``.
        details: further facts by name.
        message: instead of the table's text.

    Raises:
        KeyError: the code is not in the table.
    """
    category, usual_message = FAILURES[code]
    info: JsonObject = {"category": category, "code": code, "message": message or usual_message}
    named = list(details)
    if named:
        info["details"] = [{"name": name, "value": value} for name, value in named]
    return info
