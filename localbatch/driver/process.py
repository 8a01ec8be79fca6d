"""The driver that runs the work: a node is a directory tree and an address, a task is a process of this machine."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from localbatch.driver.command import split_command
from localbatch.driver.downloads import Downloader
from localbatch.driver.environment import command_environment
from localbatch.driver.failures import (
    CommandFailed,
    command_line_failure,
    directory_failure,
    exit_code_failure,
    launch_failure,
    node_lost_failure,
    time_limit_failure,
)
from localbatch.driver.interface import Failure, NodePlace, Outcome, Package, Run
from localbatch.driver.layout import TaskDirectory, hosts_file, make_node, remove_tree
from localbatch.driver.output_files import upload_output_files
from localbatch.driver.packages import NodePackages
from localbatch.driver.resource_files import fetch_resource_files
from localbatch.driver.starter import Command, LaunchError, Starter
from localbatch.driver.supervisor import Order
from localbatch.driver.threads import Threads

_THREADS = 32
_THREADS_FOR_ONE = 8
_SHELL_SIGNAL_BASE = 128


@dataclass
class _Node:
    """What the driver keeps about a node while the service runs."""

    packages: NodePackages
    commands: set[Command] = field(default_factory=set)
    removed: bool = False


class ProcessDriver:
    """Runs commands as processes of this machine.

    Args:
        grace: seconds a command has between SIGTERM and SIGKILL.
        isolate: let each command see its node's own host name and address, where the kernel allows it.
    """

    def __init__(self, *, grace: float = 1.0, isolate: bool = True) -> None:
        self._grace = grace
        self._isolate = isolate
        self._threads = Threads(_THREADS, _THREADS_FOR_ONE)
        self._downloader = Downloader(_THREADS)
        self._starter = Starter()
        self._nodes: dict[Path, _Node] = {}

    async def create_node(self, node: NodePlace, packages: tuple[Package, ...]) -> Failure | None:
        """Makes the node's directory tree and unpacks the pool's application packages."""
        try:
            await self._threads.call(make_node, node)
            await self._node(node).packages.install(packages, for_all=True)
        except OSError as error:
            return directory_failure(str(error))
        except CommandFailed as error:
            return error.failure
        return None

    async def execute(self, run: Run, on_started: Callable[[], None]) -> Outcome:
        """Runs one command from resource files to output files.

        Cancelling the awaiting task ends the command and all its descendants first.

        Args:
            run: the command.
            on_started: called once the command's process has been started.
        """
        started = datetime.now(UTC)
        code: int | None = None
        try:
            async with asyncio.timeout(None) as limit:
                ...
        except CommandFailed as error:
            failure = error.failure
        return Outcome(started, datetime.now(UTC), code, failure)
