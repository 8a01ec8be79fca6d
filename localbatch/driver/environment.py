"""The variables a command finds: those of Batch, the user's, and what any program needs to run."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localbatch.driver.image import NodeImage
from localbatch.driver.interface import NodePlace
from localbatch.driver.layout import TaskDirectory
from localbatch.driver.packages import InstalledPackage

_EPHEMERAL_DISK_BYTES = "1000000"
_NOT_IN_NAMES = str.maketrans(".-#", "___")


@dataclass(frozen=True)
class CommandEnvironment:
    """The variables of a command.

    Attributes:
        variables: the whole environment, with the paths of this machine.
        places: those among them that we have made and that may name directories of the node.
        given: names of those that come from Batch or from the user.
    """

    variables: dict[str, str]
    places: dict[str, str]
    given: frozenset[str]

    def mounted(self, root: Path, mount: Path) -> dict[str, str]:
        """Returns what differs where the node's tree is seen at another path."""
        below = f"{root}{os.sep}"
        return {
            name: f"{mount}{value[len(str(root)) :]}"
            for name, value in self.places.items()
            if value == str(root) or value.startswith(below)
        }


def command_environment(
    node: NodePlace,
    directory: TaskDirectory,
    packages: Iterable[InstalledPackage],
    user: Mapping[str, str],
    variables: Mapping[str, str],
    image: NodeImage,
) -> CommandEnvironment:
    """Makes the whole environment of a command.

    Of the service's own environment only PATH is kept: the rest may hold secrets, or make a program behave otherwise
    than on a node. The locale is C, as on Azure, unless the user sets another one.

    Args:
        node: where it runs.
        directory: its directory.
        packages: the packages on the node that the command may use.
        user: the user's variables, which may replace PATH, HOME and LANG but nothing of Batch's.
        variables: what the engine knows (AZ_BATCH_JOB_ID, ...); they win over all others.
        image: what is installed on the node.
    """
    home = {"HOME": str(directory.working)}
    basis = {"PATH": image.path(), "LANG": "C", **home, **image.variables}
    batch = _node_variables(node) | _directory_variables(directory)
    for package in packages:
        batch |= package_variables(package)
    batch |= variables
    places = batch if "HOME" in user else home | batch
    return CommandEnvironment(basis | dict(user) | batch, places, frozenset({*user, *batch}))


def package_variables(package: InstalledPackage) -> dict[str, str]:
    """Returns the variables that lead to a package, with characters that shells refuse replaced by ``_``."""
    name = f"AZ_BATCH_APP_PACKAGE_{package.application_id}".translate(_NOT_IN_NAMES)
    place = str(package.directory)
    found = {f"{name}_{package.version}".translate(_NOT_IN_NAMES): place}
    return found | {name: place} if package.is_default else found


def _node_variables(node: NodePlace) -> dict[str, str]:
    return {
        "AZ_BATCH_ACCOUNT_NAME": node.account,
        "AZ_BATCH_ACCOUNT_URL": node.account_url,
        "AZ_BATCH_POOL_ID": node.pool_id,
        "AZ_BATCH_NODE_ID": node.node_id,
        "AZ_BATCH_NODE_IS_DEDICATED": "true" if node.is_dedicated else "false",
    }


def _directory_variables(directory: TaskDirectory) -> dict[str, str]:
    return {
        "AZ_BATCH_NODE_ROOT_DIR": str(directory.root),
        "AZ_BATCH_NODE_SHARED_DIR": str(directory.root / "shared"),
        "AZ_BATCH_NODE_STARTUP_DIR": str(directory.root / "startup"),
        "AZ_BATCH_NODE_MOUNTS_DIR": str(directory.root / "fsmounts"),
        "AZ_BATCH_TASK_DIR": str(directory.own),
        "AZ_BATCH_TASK_WORKING_DIR": str(directory.working),
        "AZ_BATCH_CERTIFICATES_DIR": str(directory.certificates),
        "AZ_BATCH_TASK_RESERVED_EPHEMERAL_DISK_SPACE_BYTES": _EPHEMERAL_DISK_BYTES,
    }
