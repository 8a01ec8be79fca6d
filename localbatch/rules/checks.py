"""Checks of single values in request bodies, for the modules that check whole bodies: pure."""

import re
from collections.abc import Iterable

from localbatch.bodies.containers import ContainerSettings
from localbatch.bodies.tasks import UserIdentity
from localbatch.wire.errors import invalid_property

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_WORKING_DIRECTORIES = ("taskworkingdirectory", "containerimagedefault")
_BIND_SOURCES = ("shared", "startup", "vfsmounts", "task", "jobprep", "applications")
_SCOPES, _LEVELS = ("task", "pool"), ("nonadmin", "admin")


def check_id(value: str, name: str = "id") -> None:
    """Refuses what can't be the id of a pool, job or task."""
    if not _ID.fullmatch(value):
        raise invalid_property(name, value, "An id has 1 to 64 characters: letters, digits, hyphens and underscores.")


def check_choice(name: str, value: str, choices: Iterable[str]) -> None:
    """Refuses a value that is not one of a few; case does not count."""
    known = tuple(choices)
    if value.lower() not in known:
        raise invalid_property(name, value, f"It must be one of {', '.join(known)}.")


def check_word(name: str, value: str | None, choices: Iterable[str]) -> None:
    """Does the same with a value that may be left out."""
    if value is not None:
        check_choice(name, value, choices)


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
