"""Every way a command can fail, in the words of the service.

Source: the error codes of tasks in the Batch REST reference, and failures that users of the service have published.
"""

import errno
from urllib.parse import urlsplit, urlunsplit

from localbatch.driver.interface import Failure

_USER = "usererror"
_SERVER = "servererror"


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
    details = _details("The task process exited with an unexpected exit code", "FailureExitCode")
    return Failure(_USER, "FailureExitCode", "The task exited with an exit code representing a failure", details)


def time_limit_failure() -> Failure:
    """The program has run for longer than its time limit."""
    details = _details("The maximum execution time configured on the task was exceeded", "FailureExitCode")
    return Failure(_USER, "TaskEnded", "The task was ended by user request", details)


def node_lost_failure() -> Failure:
    """The program was ended because its node went away."""
    return Failure(_SERVER, "TaskEnded", "The task was ended because its node was removed")


def launch_failure(number: int, reason: str) -> Failure:
    """The program could not be started.

    Args:
        number: the error number of the system.
        reason: the same in words.
    """
    if number in (errno.ENOENT, errno.ENOTDIR):
        message = "The specified command program is not found"
        return Failure(_USER, "CommandProgramNotFound", message, (("Message", reason),))
    return _launch_failed(reason)


def command_line_failure(reason: str) -> Failure:
    """The command line cannot be split, or the service has no means left to run it."""
    return _launch_failed(reason)


def directory_failure(reason: str) -> Failure:
    """The task's directory could not be made."""
    message = "The directory of the task could not be created"
    return Failure(_SERVER, "ResourceDirectoryCreateFailed", message, (("Message", reason),))


def package_failure(application_id: str, version: str, reason: str) -> Failure:
    """An application package could not be fetched or unpacked."""
    details = (("ApplicationId", application_id), ("Version", version), ("Message", reason))
    return Failure(_USER, "ApplicationPackageError", "An application package could not be installed", details)


def download_failure(status: int | None, link: str, file: str, reason: str) -> Failure:
    """A resource file could not be fetched.

    Args:
        status: status code of the answer, None if there was none.
        link: where from; its signature is left out of what is told.
        file: where to, relative to the working directory.
        reason: what went wrong, without the link.
    """
    details = (("BlobSource", without_signature(link)), ("FilePath", file), ("Message", reason))
    if status == 404:
        return Failure(_USER, "BlobNotFound", "One of the specified Azure Blob(s) is not found", details)
    if status in (401, 403):
        message = "Access for one of the specified Azure Blob(s) is denied"
        return Failure(_USER, "BlobAccessDenied", message, details)
    message = "Miscellaneous error encountered while downloading one of the specified Azure Blob(s)"
    return Failure(_SERVER, "BlobDownloadMiscError", message, details)


def resource_file_failure(file: str, reason: str) -> Failure:
    """A resource file may not lie where it is asked for, or cannot be made there."""
    message = "A resource file could not be created on the node"
    return Failure(_SERVER, "ResourceFileCreateFailed", message, (("FilePath", file), ("Message", reason)))


def write_failure(file: str, error: OSError) -> Failure:
    """A resource file could not be written to the end."""
    details = (("FilePath", file), ("Message", error.strerror or str(error)))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure(_SERVER, "DiskFull", "There is not enough space on the disk of the node", details)
    return Failure(_SERVER, "ResourceFileWriteFailed", "A resource file could not be written on the node", details)


def upload_failure(status: int | None, container: str, file: str, reason: str) -> Failure:
    """An output file could not be uploaded.

    Args:
        status: status code of the answer, None if there was none.
        container: link to the container; its signature is left out of what is told.
        file: the file's name.
        reason: what went wrong, without the link.
    """
    details = (("ContainerUrl", without_signature(container)), ("FilePath", file), ("Message", reason))
    if status == 404:
        message = "The specified container for output files is not found"
        return Failure(_USER, "FileUploadContainerNotFound", message, details)
    if status in (401, 403):
        message = "Access to the specified container for output files is denied"
        return Failure(_USER, "FileUploadAccessDenied", message, details)
    message = "Miscellaneous error encountered while uploading an output file"
    return Failure(_USER, "FileUploadMiscError", message, details)


def without_signature(link: str) -> str:
    """Returns a link without its query, which may hold a signature, and without a password."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return "an invalid link"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _launch_failed(reason: str) -> Failure:
    message = "The command line of the task could not be launched"
    return Failure(_USER, "CommandLaunchFailed", message, (("Message", reason),))


def _details(message: str, code: str) -> tuple[tuple[str, str], ...]:
    return (("Message", message), ("AdditionalErrorCode", code))
