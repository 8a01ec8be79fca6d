"""What the driver does for one command on one node, whether it runs alone or together with others."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from localbatch.bodies.commands import ResourceFile
from localbatch.driver.downloads import Downloader
from localbatch.driver.environment import command_environment
from localbatch.driver.exchange import Exchange
from localbatch.driver.failures import CommandFailed, directory_failure
from localbatch.driver.image import NodeImage
from localbatch.driver.interface import NodePlace, Run
from localbatch.driver.layout import TaskDirectory
from localbatch.driver.mpi.shims import LaunchDirectory
from localbatch.driver.output_files import Carriers, upload_output_files
from localbatch.driver.packages import NodePackages
from localbatch.driver.prepared import PreparedCommand
from localbatch.driver.resource_files import fetch_resource_files
from localbatch.driver.starter import Session, Starter
from localbatch.driver.threads import Threads


class NodeTools:
    """The steps of a command's life on a node.

    Args:
        packages: returns the application packages of a node.
        image: what is installed on all nodes.
        isolate: let each command see its node's own name, address and path, where the kernel allows it.
        grace: seconds a command has between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        packages: Callable[[NodePlace], NodePackages],
        downloader: Downloader,
        exchange: Exchange,
        threads: Threads,
        starter: Starter,
        image: NodeImage,
        *,
        isolate: bool,
        grace: float,
    ) -> None:
        self._packages, self._image = packages, image
        self._downloader, self._exchange, self._threads, self._starter = downloader, exchange, threads, starter
        self._isolate, self._grace = isolate, grace

    async def prepare(self, run: Run, subtask: int = 0, launch: LaunchDirectory | None = None) -> PreparedCommand:
        """Makes the directory and the environment of a command.

        Args:
            run: the command.
            subtask: number of the subtask that runs it; 0 is the primary, or a task without subtasks.
            launch: how it reaches the other nodes of its task.

        Raises:
            CommandFailed: the directory or a package can't be had.
        """
        try:
            directory = TaskDirectory.of(run.node, run.directory, subtask)
            if directory.path.exists():
                await self._threads.finish(directory.prepare, keep=run.keep_directory)
            else:
                # A few calls of the system, which cost less than to hand them to a thread.
                directory.prepare(keep=False)
        except (OSError, ValueError) as error:
            raise CommandFailed(directory_failure(str(error))) from error
        installed = await self._packages(run.node).install(run.packages)
        image, user = self._image, run.environment
        if launch is not None:
            image = NodeImage((launch.programs, *image.programs), {**image.variables, **launch.variables(run.node)})
            if "PATH" in user:
                user = {**user, "PATH": f"{launch.programs}{os.pathsep}{user['PATH']}"}
        environment = command_environment(run.node, directory, installed, user, run.variables, image)
        return PreparedCommand(run.node, directory, environment)

    async def fetch(
        self, files: Sequence[ResourceFile], directory: Path, *, taken: frozenset[str] = frozenset()
    ) -> None:
        """Fetches files into a directory, in which some names are taken.

        Raises:
            CommandFailed: one of them could not be fetched or written.
        """
        await fetch_resource_files(files, directory, self._downloader, self._threads, self._exchange, taken)

    def open(self, command: PreparedCommand, listen: str = "") -> Session:
        """Opens a session for a command.

        Args:
            command: the command.
            listen: socket on which the node takes commands from other nodes.
        """
        return self._starter.open(command.place(isolate=self._isolate, grace=self._grace, listen=listen))

    async def upload(self, run: Run, command: PreparedCommand, *, succeeded: bool) -> None:
        """Uploads the output files of a command that has ended.

        Raises:
            CommandFailed: one could not be uploaded.
        """
        carriers = Carriers(self._exchange, self._threads)
        variables = command.environment.variables
        await upload_output_files(run.output_files, command.directory, variables, carriers, succeeded=succeeded)
