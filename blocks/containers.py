"""Names of containers."""

import re

WORK_CONTAINER = "batch-work"
"""Takes what runs leave, logs, outputs and ledgers, unless another is named."""

# Source: "Naming and referencing containers, blobs, and metadata", Azure Storage REST reference.
_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")


def check_container_name(name: str) -> str:
    """The name, if it can be one.

    Raises:
        ValueError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a container: 3 to 63 small letters, digits and single hyphens")
    return name
