"""What runs on a node, in the words of request bodies: command lines with their files, variables and user.

Source: the Batch REST reference, API version 2025-06-01, and the docstrings of ``azure.batch.models``.
"""

from pydantic import Field

from localbatch.bodies.body import Body, Duration
from localbatch.bodies.containers import ContainerSettings


class IdentityReference(Body):
    """A managed identity of the pool."""

    resource_id: str | None = None


class AutoUserSpecification(Body):
    """The account that Batch makes for a task."""

    scope: str | None = None
    elevation_level: str | None = None


class UserIdentity(Body):
    """The account a task runs as: one of the pool's user accounts, or one that Batch makes."""

    username: str | None = None
    auto_user: AutoUserSpecification | None = None


class NameValue(Body):
    """An environment setting, whose value may be left out."""

    name: str
    value: str = ""


class ResourceFile(Body):
    """A file, or the blobs of a container, put on the node before a command runs."""

    auto_storage_container_name: str | None = None
    storage_container_url: str | None = None
    http_url: str | None = None
    blob_prefix: str | None = None
    file_path: str | None = None
    file_mode: str | None = None
    identity_reference: IdentityReference | None = None


class OutputContainer(Body):
    """Where output files go: a container by its SAS link, or by the name of an identity that may write to it."""

    container_url: str
    path: str | None = None
    identity_reference: IdentityReference | None = None


class OutputDestination(Body):
    """The only kind of destination is a blob container."""

    container: OutputContainer | None = None


class OutputUploadOptions(Body):
    """When output files are uploaded: ``tasksuccess``, ``taskfailure`` or ``taskcompletion``."""

    upload_condition: str = "taskcompletion"


class OutputFile(Body):
    """Files uploaded from the node after the command has ended."""

    file_pattern: str
    destination: OutputDestination
    upload_options: OutputUploadOptions


class PackageReference(Body):
    """An application package, by id and version (the default version if none is given)."""

    application_id: str
    version: str | None = None


class TaskConstraints(Body):
    """Time limits and retries of a task. ``max_task_retry_count`` -1 means without limit."""

    max_wall_clock_time: Duration | None = None
    retention_time: Duration | None = None
    max_task_retry_count: int | None = None


class Command(Body):
    """What start, preparation, release and ordinary tasks have in common."""

    command_line: str
    resource_files: list[ResourceFile] = Field(default_factory=list)
    environment_settings: list[NameValue] = Field(default_factory=list)
    user_identity: UserIdentity | None = None
    container_settings: ContainerSettings | None = None
