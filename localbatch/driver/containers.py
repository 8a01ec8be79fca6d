"""Commands that run in containers.

A container belongs to the session of its command: the supervisor removes it when the session ends, however that
comes about. What a supervisor that was killed has left is removed when the node starts again.
"""

import asyncio
import errno
import json
import os
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localbatch.container_models import ContainerRegistry, ContainerSettings
from localbatch.driver.command import split_options
from localbatch.driver.container_options import container_options, container_variables
from localbatch.driver.container_runtime import ContainerRuntime, find_runtime
from localbatch.driver.failures import (
    CommandFailed,
    command_line_failure,
    container_image_failure,
    container_pool_failure,
    launch_failure,
)
from localbatch.driver.image import NodeImage
from localbatch.driver.interface import NodePlace, Run, Usage
from localbatch.driver.layout import remove_tree
from localbatch.driver.prepared import PreparedCommand, node_place, start
from localbatch.driver.process_tree import exit_code
from localbatch.driver.starter import Session, Starter
from localbatch.driver.supervisor import Order
from localbatch.driver.threads import Threads

_DOCKER_HUB = "https://index.docker.io/v1/"
_NO_RUNTIME = "Neither podman nor docker works on this machine"
_NOT_FOR_CONTAINERS = "The pool has no containerConfiguration"
_NO_SUCH_PROGRAM = ("not found", "no such file")
_NOT_STARTED = ("created", "configured", "initialized")


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
            container = await tools.create(_Wish(run, command, settings), registries)
            on_started()
            code = await tools.start(container, command)
        return ContainerEnd(container.id, code, tools.usage)

    async def prepare_node(self, node: NodePlace) -> None:
        """Removes what is left from an earlier life of a node, and fetches the images its pool wants.

        Raises:
            CommandFailed: an image can't be had.
        """
        marked = await self._threads.call(_scratch(node).exists)
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

    def _open(self, runtime: ContainerRuntime, node: NodePlace) -> "_Tools":
        session = self._starter.open(node_place(node, isolate=False, grace=self._grace))
        return _Tools(runtime, session, node, self._threads, self._grace)

    async def _find(self) -> ContainerRuntime | None:
        if self._search is None:
            self._search = asyncio.ensure_future(find_runtime(self._image.path(), os.environ))
        return await asyncio.shield(self._search)


@dataclass(frozen=True)
class _Wish:
    """A container that is to be made."""

    run: Run
    command: PreparedCommand
    settings: ContainerSettings


@dataclass(frozen=True)
class _Container:
    name: str
    id: str


class _Tools:
    """Podman or Docker in one session, with a directory for what they say."""

    def __init__(
        self, runtime: ContainerRuntime, session: Session, node: NodePlace, threads: Threads, grace: float
    ) -> None:
        self._runtime, self._session, self._node = runtime, session, node
        self._threads, self._grace = threads, grace
        self._name = f"localbatch-{secrets.token_hex(8)}"
        self._scratch = _scratch(node) / self._name

    @property
    def usage(self) -> Usage:
        """What the session has used, once it has ended."""
        return self._session.usage

    async def __aenter__(self) -> "_Tools":
        await self._threads.call(lambda: self._scratch.mkdir(mode=0o700, parents=True))
        return self

    async def __aexit__(self, *_error: object) -> None:
        try:
            await self._session.end()
        finally:
            await asyncio.shield(self._threads.call(remove_tree, self._scratch))

    async def create(self, wish: _Wish, registries: Sequence[ContainerRegistry]) -> _Container:
        """Makes a container, and fetches its image if it is not there."""
        words, environment = self._creation(wish)
        cleanup = self._runtime.remove([self._name], self._grace)
        code = await self._do(words, environment, cleanup=cleanup)
        complaint = self._complaints()[0]
        if code and await self._do(self._runtime.find_image(wish.settings.image_name)):
            await self._pull(wish.settings.image_name, registries)
            code = await self._do(words, environment)
            complaint = self._complaints()[0]
        if code:
            raise CommandFailed(command_line_failure(complaint))
        return _Container(self._name, self._answer())

    def _creation(self, wish: _Wish) -> tuple[list[str], dict[str, str]]:
        try:
            extra = split_options(wish.settings.container_run_options)
            command = split_options(wish.run.command_line)
        except ValueError as error:
            raise CommandFailed(command_line_failure(str(error))) from error
        own = [f"--label={_label(self._node)}"]
        options = own + container_options(wish.settings, wish.run, wish.command.directory, extra, self._runtime)
        variables = container_variables(wish.command)
        words = self._runtime.create(self._name, wish.settings.image_name, command, options, variables)
        return words, self._runtime.variables(variables)

    async def start(self, container: _Container, command: PreparedCommand) -> int:
        """Runs a container to the end of its command and returns its exit code."""
        logs = (command.directory.stdout, command.directory.stderr)
        code = await self._do(self._runtime.start(container.name), logs=logs)
        if code and not await self._has_started(container):
            reason = (await self._threads.call(_lines, command.directory.stderr))[-1]
            is_missing = any(word in reason.lower() for word in _NO_SUCH_PROGRAM)
            raise CommandFailed(launch_failure(errno.ENOENT if is_missing else errno.EACCES, reason))
        return code

    async def _has_started(self, container: _Container) -> bool:
        return bool(await self._do(self._runtime.inspect(container.name))) or self._answer() not in _NOT_STARTED

    async def provide(self, image: str, registries: Sequence[ContainerRegistry]) -> None:
        """Fetches an image unless it is there."""
        if await self._do(self._runtime.find_image(image)):
            await self._pull(image, registries)

    async def remove_leftovers(self) -> None:
        """Removes the containers that the node had in an earlier life."""
        if not await self._do(self._runtime.list_labelled(_label(self._node))):
            names = self._answer().split()
            for words in self._runtime.remove(names, self._grace) if names else ():
                await self._do(words)

    async def _pull(self, image: str, registries: Sequence[ContainerRegistry]) -> None:
        await self._threads.call(_write_login, self._scratch / "config.json", registries)
        if await self._do(self._runtime.pull(image, self._scratch)):
            raise CommandFailed(container_image_failure(image, self._complaints()[-1]))

    async def _do(
        self,
        words: list[str],
        environment: dict[str, str] | None = None,
        *,
        logs: tuple[Path, Path] | None = None,
        cleanup: Iterable[list[str]] = (),
    ) -> int:
        stdout, stderr = logs or (self._scratch / "out", self._scratch / "err")
        if logs is None:
            await self._threads.call(_empty, (stdout, stderr))
        order = Order(
            words=words,
            environment=dict(self._runtime.environment) if environment is None else environment,
            mounted={},
            directory=str(self._scratch),
            stdout=str(stdout),
            stderr=str(stderr),
            last=False,
            cleanup=list(cleanup),
        )
        await start(self._session, order)
        return exit_code(await self._session.wait())

    def _answer(self) -> str:
        return (self._scratch / "out").read_text(errors="replace").strip()

    def _complaints(self) -> list[str]:
        return _lines(self._scratch / "err")


def _scratch(node: NodePlace) -> Path:
    return node.root.absolute() / "volatile" / "containers"


def _label(node: NodePlace) -> str:
    return f"localbatch.node={node.root.absolute()}"


def _empty(files: Iterable[Path]) -> None:
    for file in files:
        file.write_bytes(b"")


def _lines(file: Path) -> list[str]:
    return file.read_text(errors="replace").strip().splitlines() or ["It gave no reason"]


def _write_login(file: Path, registries: Iterable[ContainerRegistry]) -> None:
    known = {
        each.registry_server or _DOCKER_HUB: {"auth": b64encode(f"{each.username}:{each.password}".encode()).decode()}
        for each in registries
        if each.username is not None and each.password is not None
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps({"auths": known}))
