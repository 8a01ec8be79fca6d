"""What commands on nodes must look like, beyond the types of their properties: pure.

Source of the limits: the Batch REST reference, API version 2025-06-01.
"""

import re
from collections.abc import Iterable

from localbatch.bodies.commands import (
    Command,
    NameValue,
    ResourceFile,
    TaskConstraints,
    UserIdentity,
)
from localbatch.bodies.containers import ContainerSettings
from localbatch.rules.checks import check_choice, check_word
from localbatch.wire.errors import ServiceError, invalid_property

_OCTAL = re.compile(r"[0-7]{3,4}")
_WORKING_DIRECTORIES = ("taskworkingdirectory", "containerimagedefault")
_BIND_SOURCES = ("shared", "startup", "vfsmounts", "task", "jobprep", "applications")
_SCOPES, _LEVELS = ("task", "pool"), ("nonadmin", "admin")


def check_task_constraints(constraints: TaskConstraints, name: str = "constraints") -> None:
    """Refuses constraints that a task can't have."""
    check_retries(f"{name}.maxTaskRetryCount", constraints.max_task_retry_count)


def check_command(name: str, command: Command) -> None:
    """Refuses a command line, resource files or environment that can't be.

    Args:
        name: the property that holds the command; empty for a task itself.
        command: the command.
    """
    prefix = f"{name}." if name else ""
    check_container(f"{prefix}containerSettings", command.container_settings)
    # In a container an empty one means the image's own program.
    if command.container_settings is None and not command.command_line.strip():
        raise invalid_property(f"{prefix}commandLine", command.command_line, "It must not be empty.")
    check_settings(f"{prefix}environmentSettings", command.environment_settings)
    check_user_identity(f"{prefix}userIdentity", command.user_identity)
    for number, file in enumerate(command.resource_files):
        check_resource(f"{prefix}resourceFiles.{number}", file)


def check_settings(name: str, settings: Iterable[NameValue]) -> None:
    """Refuses environment settings whose names no variable can have."""
    for setting in settings:
        if not setting.name or "=" in setting.name:
            raise invalid_property(name, setting.name, "The name of a variable must not be empty or hold '='.")


def check_retries(name: str, count: int | None) -> None:
    """Refuses a number of retries that is none."""
    if count is not None and count < -1:
        raise invalid_property(name, count, "It must be -1, which is without limit, or more.")


def check_resource(name: str, file: ResourceFile) -> None:
    """Refuses a resource file that names no source or more than one, or no place."""
    sources = (file.http_url, file.storage_container_url, file.auto_storage_container_name)
    if sum(source is not None for source in sources) != 1:
        reason = "Exactly one of httpUrl, storageContainerUrl and autoStorageContainerName must be given."
        raise invalid_property(name, file.file_path or "", reason)
    if file.http_url is not None and not file.file_path:
        raise ServiceError("MissingRequiredProperty", values=(("PropertyName", f"{name}.filePath"),))
    if file.http_url is not None and file.blob_prefix is not None:
        raise invalid_property(f"{name}.blobPrefix", file.blob_prefix, "It goes with a container, not with httpUrl.")
    if file.file_mode is not None and not _OCTAL.fullmatch(file.file_mode):
        raise invalid_property(f"{name}.fileMode", file.file_mode, "It must be an octal number such as 0770.")


def check_container(name: str, settings: ContainerSettings | None) -> None:
    """Refuses a container that can't be.

    Args:
        name: the property that holds it.
        settings: the container in which a command is to run.

    Raises:
        ServiceError: ``InvalidPropertyValue``.
    """
    if settings is None:
        return
    if not settings.image_name.strip() or settings.image_name.startswith("-"):
        raise invalid_property(f"{name}.imageName", settings.image_name, "It must be the name of an image.")
    check_choice(f"{name}.workingDirectory", settings.working_directory, _WORKING_DIRECTORIES)
    for number, mount in enumerate(settings.container_host_batch_bind_mounts or ()):
        check_word(f"{name}.containerHostBatchBindMounts.{number}.source", mount.source, _BIND_SOURCES)


def check_user_identity(name: str, identity: UserIdentity | None) -> None:
    """Refuses an identity that is not exactly one.

    Args:
        name: the property that holds it.
        identity: whom a command is to run as.

    Raises:
        ServiceError: ``InvalidPropertyValue``.
    """
    if identity is None:
        return
    if (identity.username is None) == (identity.auto_user is None):
        raise invalid_property(name, "", "Exactly one of username and autoUser must be given.")
    if identity.auto_user is not None:
        check_word(f"{name}.autoUser.scope", identity.auto_user.scope, _SCOPES)
        check_word(f"{name}.autoUser.elevationLevel", identity.auto_user.elevation_level, _LEVELS)
