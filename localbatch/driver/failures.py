"""Every way a command can fail, in the words of the service.

Source: the error codes of tasks in the Batch REST reference, and failures that users of the service have published.
"""

import errno
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from localbatch.driver.interface import Failure
from localbatch.wire.errors import FAILURES


class CommandFailed(Exception):
    """A command has failed before its program ran, or its files could not be uploaded.

    Attributes:
        failure: what the service tells about it.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def exit_code_failure() -> Failure:
    """The program has ended with a code other than zero."""
    return _failure(
        "FailureExitCode",
        Message="The task process exited with an unexpected exit code",
        AdditionalErrorCode="FailureExitCode",
    )


def coordination_failure(code: int, subtask: int, node_id: str) -> Failure:
    """The coordination command has ended with a code other than zero. What Batch says of it is not known.

    Args:
        code: the exit code.
        subtask: number of the subtask; 0 is the primary.
        node_id: where it ran.
    """
    who = f"subtask {subtask}" if subtask else "the primary"
    return _failure(
        "FailureExitCode",
        Message=f"The coordination command of {who} exited with code {code} on node {node_id}",
        AdditionalErrorCode="FailureExitCode",
    )


def time_limit_failure() -> Failure:
    """The program has run for longer than its time limit."""
    told = _failure(
        "TaskEnded",
        Message="The maximum execution time configured on the task was exceeded",
        AdditionalErrorCode="FailureExitCode",
    )
    return replace(told, message="The task was ended by user request")


def node_lost_failure() -> Failure:
    """The program was ended because its node went away."""
    return replace(_failure("TaskEnded"), category="servererror", message="The task was ended with its node")


def ended_with_task_failure() -> Failure:
    """A subtask was still at work when its task ended."""
    return replace(_failure("TaskEnded"), message="The subtask was ended with its task")


def launch_failure(number: int, reason: str) -> Failure:
    """The program could not be started.

    Args:
        number: the error number of the system.
        reason: the same in words.
    """
    is_missing = number in (errno.ENOENT, errno.ENOTDIR)
    return _failure("CommandProgramNotFound" if is_missing else "CommandLaunchFailed", Message=reason)


def command_line_failure(reason: str) -> Failure:
    """The command line cannot be split, or the service has no means left to run it."""
    return _failure("CommandLaunchFailed", Message=reason)


def container_pool_failure(reason: str) -> Failure:
    """The node can't run containers."""
    return _failure("ContainerPoolNotSupported", Message=reason)


def container_image_failure(image: str, reason: str) -> Failure:
    """An image could not be fetched.

    Args:
        image: the image.
        reason: what the program that runs containers says.
    """
    return _failure("ContainerInvalidImage", ImageName=image, Message=reason)


def mount_failure(path: str, reason: str) -> Failure:
    """A file system could not be mounted, or what commands wrote there not be sent. Batch's own code is not known.

    Args:
        path: where it is mounted, relative to the node's directory of mounts.
        reason: what went wrong.
    """
    message = "A file system of the pool could not be mounted"
    return Failure("usererror", "MountConfigurationError", message, (("MountPath", path), ("Message", reason)))


def directory_failure(reason: str) -> Failure:
    """The task's directory could not be made."""
    return _failure("ResourceDirectoryCreateFailed", Message=reason)


def package_failure(application_id: str, version: str, reason: str) -> Failure:
    """An application package could not be fetched or unpacked. What Batch says of a task's package is not known."""
    details = (("ApplicationId", application_id), ("Version", version), ("Message", reason))
    message = "An application package could not be installed on the node"
    return Failure("usererror", "ApplicationPackageError", message, details)


def download_failure(status: int | None, link: str, file: str, reason: str) -> Failure:
    """A resource file could not be fetched.

    Args:
        status: status code of the answer, None if there was none.
        link: where from; its signature is left out of what is told.
        file: where to, relative to the working directory.
        reason: what went wrong, without the link.
    """
    code = {404: "BlobNotFound", 403: "BlobAccessDenied", 401: "BlobAccessDenied"}.get(status or 0)
    return _failure(code or "BlobDownloadMiscError", BlobSource=without_signature(link), FilePath=file, Message=reason)


def resource_file_failure(file: str, reason: str) -> Failure:
    """A resource file may not lie where it is asked for, or cannot be made there."""
    return _failure("ResourceFileCreateFailed", FilePath=file, Message=reason)


def write_failure(file: str, error: OSError) -> Failure:
    """A resource file could not be written to the end."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    reason = error.strerror or str(error)
    return _failure("DiskFull" if is_full else "ResourceFileWriteFailed", FilePath=file, Message=reason)


def upload_failure(status: int | None, container: str, file: str, reason: str) -> Failure:
    """An output file could not be uploaded.

    Args:
        status: status code of the answer, None if there was none.
        container: link to the container; its signature is left out of what is told.
        file: the file's name.
        reason: what went wrong, without the link.
    """
    code = {404: "FileUploadContainerNotFound", 403: "FileUploadAccessDenied", 401: "FileUploadAccessDenied"}.get(
        status or 0
    )
    return _failure(
        code or "FileUploadMiscError", ContainerUrl=without_signature(container), FilePath=file, Message=reason
    )


def without_signature(link: str) -> str:
    """Returns a link without its query, which may hold a signature, and without a password."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return "an invalid link"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _failure(code: str, **details: str) -> Failure:
    category, message = FAILURES[code]
    return Failure(category, code, message, tuple(details.items()))
