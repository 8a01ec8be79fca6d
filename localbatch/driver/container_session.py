"""One session of podman or docker on a node: what is done with one container, or with images."""

import errno
import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from localbatch.bodies.containers import ContainerRegistry, ContainerSettings
from localbatch.driver.command import split_options
from localbatch.driver.container_options import container_options, container_variables
from localbatch.driver.container_runtime import ContainerRuntime
from localbatch.driver.failures import (
    CommandFailed,
    command_line_failure,
    container_image_failure,
    directory_failure,
    launch_failure,
)
from localbatch.driver.interface import NodePlace, Run, Usage
from localbatch.driver.prepared import PreparedCommand, node_place, start
from localbatch.driver.process_tree import exit_code
from localbatch.driver.starter import Session, Starter
from localbatch.driver.supervisor import Order
from localbatch.driver.threads import Threads
from localbatch.store.removal import remove_tree

_DOCKER_HUB = "https://index.docker.io/v1/"
_NO_SUCH_PROGRAM = ("not found", "no such file")
_NOT_STARTED = ("created", "configured", "initialized")


@dataclass(frozen=True)
class Wish:
    """A container that is to be made."""

    run: Run
    command: PreparedCommand
    settings: ContainerSettings


@dataclass(frozen=True)
class Container:
    """A container that is there.

    Attributes:
        id: as the program that has made it calls it.
    """

    name: str
    id: str


@asynccontextmanager
async def open_session(
    runtime: ContainerRuntime, node: NodePlace, starter: Starter, threads: Threads, grace: float
) -> AsyncIterator["ContainerSession"]:
    """Opens a session; whatever was made in it is gone at its end.

    Args:
        runtime: podman or docker.
        node: where.
        starter: starts the programs.
        threads: threads for what blocks.
        grace: seconds a command has between SIGTERM and SIGKILL.

    Raises:
        CommandFailed: its directory could not be made.
    """
    name = f"localbatch-{secrets.token_hex(8)}"
    scratch = scratch_directory(node) / name
    try:
        await threads.finish(lambda: scratch.mkdir(mode=0o700, parents=True))
    except OSError as error:
        raise CommandFailed(directory_failure(str(error))) from error
    session = starter.open(node_place(node, isolate=False, grace=grace))
    try:
        yield ContainerSession(runtime, session, node, threads, grace, scratch)
    finally:
        try:
            await session.end()
        finally:
            remove_tree(scratch)


class ContainerSession:
    """Podman or docker in one session.

    Args:
        runtime: the program.
        session: where its commands run.
        node: the node they are for.
        threads: threads for what blocks.
        grace: seconds a command has between SIGTERM and SIGKILL.
        scratch: directory for what they say; its name is that of the container.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        session: Session,
        node: NodePlace,
        threads: Threads,
        grace: float,
        scratch: Path,
    ) -> None:
        self._runtime, self._session, self._node = runtime, session, node
        self._threads, self._grace, self._scratch = threads, grace, scratch

    @property
    def usage(self) -> Usage:
        """What it has used, once it has ended."""
        return self._session.usage

    async def create(self, wish: Wish, registries: Sequence[ContainerRegistry]) -> Container:
        """Makes a container, and fetches its image if it is not there."""
        words, environment = self._creation(wish)
        cleanup = self._runtime.remove([self._scratch.name], self._grace)
        code = await self._do(words, environment, cleanup=cleanup)
        complaint = self._complaints()[0]
        if code and await self._do(self._runtime.find_image(wish.settings.image_name)):
            await self._pull(wish.settings.image_name, registries)
            code = await self._do(words, environment)
            complaint = self._complaints()[0]
        if code:
            raise CommandFailed(command_line_failure(complaint))
        return Container(self._scratch.name, self._answer())

    def _creation(self, wish: Wish) -> tuple[list[str], dict[str, str]]:
        try:
            extra = split_options(wish.settings.container_run_options)
            command = split_options(wish.run.command_line)
        except ValueError as error:
            raise CommandFailed(command_line_failure(str(error))) from error
        own = [f"--label={_label(self._node)}"]
        options = own + container_options(wish.settings, wish.run, wish.command.directory, extra, self._runtime)
        variables = container_variables(wish.command)
        words = self._runtime.create(self._scratch.name, wish.settings.image_name, command, options, variables)
        return words, self._runtime.variables(variables)

    async def start(self, container: Container, command: PreparedCommand) -> int:
        """Runs a container to the end of its command and returns its exit code."""
        logs = (command.directory.stdout, command.directory.stderr)
        code = await self._do(self._runtime.start(container.name), logs=logs)
        if code and not await self._has_started(container):
            reason = (await self._threads.call(_lines, command.directory.stderr))[-1]
            is_missing = any(word in reason.lower() for word in _NO_SUCH_PROGRAM)
            raise CommandFailed(launch_failure(errno.ENOENT if is_missing else errno.EACCES, reason))
        return code

    async def _has_started(self, container: Container) -> bool:
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
        await self._threads.finish(_write_login, self._scratch / "config.json", registries)
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


def scratch_directory(node: NodePlace) -> Path:
    """Tells where the sessions of a node have their directories; it is there once there was one."""
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
