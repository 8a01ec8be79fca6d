"""Commands that run in containers.

A container belongs to the session of its command: the supervisor removes it when the session ends, however that
comes about. What a supervisor that was killed has left is removed when the node starts again.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from localbatch.driver.container_runtime import ContainerRuntime, find_runtime
from localbatch.driver.container_session import ContainerSession, Wish, open_session, scratch_directory
from localbatch.driver.failures import CommandFailed, container_pool_failure
from localbatch.driver.image import NodeImage
from localbatch.driver.interface import NodePlace, Run, Usage
from localbatch.driver.prepared import PreparedCommand
from localbatch.driver.starter import Starter
from localbatch.driver.threads import Threads

_NO_RUNTIME = "Neither podman nor docker works on this machine"
_NOT_FOR_CONTAINERS = "The pool has no containerConfiguration"


@dataclass(frozen=True)
class ContainerEnd:
    """How a container ended.

    Attributes:
        id: as the program that ran it calls it.
        code: exit code of the command.
        usage: what it has used, with the programs that ran it; Docker runs containers elsewhere and tells nothing.
    """

    id: str
    code: int
    usage: Usage


class Containers:
    """The containers of all nodes.

    Args:
        starter: starts the programs.
        threads: threads for what blocks.
        image: where the program that runs containers is looked for.
        grace: seconds a command has between SIGTERM and SIGKILL.
    """

    def __init__(self, starter: Starter, threads: Threads, image: NodeImage, grace: float) -> None:
        self._starter, self._threads, self._image, self._grace = starter, threads, image, grace
        self._search: asyncio.Task[ContainerRuntime | None] | None = None

    async def run(self, run: Run, command: PreparedCommand, on_started: Callable[[], None]) -> ContainerEnd:
        """Runs a command in a container from the image to the exit code; nothing of it is left, however it ends.

        Args:
            run: the command, which wants a container.
            command: its directory and its environment.
            on_started: called once the container is there and about to be started.

        Raises:
            CommandFailed: it could not be run.
        """
        settings, host = run.container, run.node.containers
        assert settings is not None
        if host is None:
            raise CommandFailed(container_pool_failure(_NOT_FOR_CONTAINERS))
        runtime = await self._find()
        if runtime is None:
            raise CommandFailed(container_pool_failure(_NO_RUNTIME))
        async with self._open(runtime, run.node) as tools:
            registries = [*host.registries, *([settings.registry] if settings.registry else [])]
            container = await tools.create(Wish(run, command, settings), registries)
            on_started()
            code = await tools.start(container, command)
        return ContainerEnd(container.id, code, tools.usage)

    async def prepare_node(self, node: NodePlace) -> None:
        """Removes what is left from an earlier life of a node, and fetches the images its pool wants.

        Raises:
            CommandFailed: an image can't be had.
        """
        marked = await self._threads.call(scratch_directory(node).exists)
        if not marked and (node.containers is None or not node.containers.images):
            return
        runtime = await self._find()
        if runtime is None:
            return
        async with self._open(runtime, node) as tools:
            if marked:
                await tools.remove_leftovers()
            for image in node.containers.images if node.containers else ():
                await tools.provide(image, node.containers.registries if node.containers else ())

    def _open(self, runtime: ContainerRuntime, node: NodePlace) -> AbstractAsyncContextManager[ContainerSession]:
        return open_session(runtime, node, self._starter, self._threads, self._grace)

    async def _find(self) -> ContainerRuntime | None:
        """Looks for podman and docker; what was found is not looked for again."""
        if self._search is None or (self._search.done() and self._search.result() is None):
            self._search = asyncio.ensure_future(find_runtime(self._image.path(), os.environ))
        return await asyncio.shield(self._search)

    async def close(self) -> None:
        """Gives up what is being looked for."""
        if self._search is not None:
            self._search.cancel()
            await asyncio.wait([self._search])
