"""Checks of single values in request bodies, for the modules that check whole bodies: pure."""

import re
from collections.abc import Iterable

from localbatch.bodies.body import Body, MetadataItem
from localbatch.wire.errors import ServiceError, invalid_property

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_NAME = 1024


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


def check_metadata(items: Iterable[MetadataItem]) -> None:
    """Refuses metadata without a name."""
    if any(not item.name for item in items):
        raise ServiceError("EmptyMetadataKey")


def check_name(body: Body) -> None:
    """Refuses a display name that is too long."""
    name = getattr(body, "display_name", None) or (body.model_extra or {}).get("displayName", "")
    if len(str(name)) > _LONGEST_NAME:
        raise invalid_property("displayName", f"{str(name)[:32]}...", f"It must not exceed {_LONGEST_NAME} characters.")
