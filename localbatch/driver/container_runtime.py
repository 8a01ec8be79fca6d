"""The program of this machine that runs containers, and its command lines.

Podman and Docker understand the same words; where they differ is told here. A container is made first and started
afterwards, as Batch does, so that what the client asks for can be told from what its program does.
"""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NAMES = ("podman", "docker")
_PROBE_SECONDS = 20.0
# What these programs read of the service's environment; nothing else of it reaches them.
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "REGISTRY_AUTH_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR")
_KEPT_PREFIXES = ("CONTAINER", "DOCKER_", "XDG_", "BUILDAH_", "PODMAN_")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class ContainerRuntime:
    """Podman or Docker.

    Attributes:
        program: path of the program.
        environment: what it needs to run.
    """

    program: str
    environment: Mapping[str, str]

    @property
    def is_podman(self) -> bool:
        """Whether it runs containers itself, without a service of its own."""
        return Path(self.program).name == "podman"

    def create(
        self, name: str, image: str, command: Sequence[str], options: Sequence[str], variables: Mapping[str, str]
    ) -> list[str]:
        """Makes the command line that makes a container, of an image that is there.

        Args:
            name: of the container.
            image: the image.
            command: program and arguments, or arguments of the image's entry point; nothing is the image's own.
            options: everything else about the container.
            variables: the environment in it. Their values are looked for in the environment of the program, where
                other users do not see them, except those that would change what the program does.
        """
        settings = [name if self._may_hold(name) else f"{name}={value}" for name, value in variables.items()]
        environment = [f"--env={setting}" for setting in settings]
        return [self.program, "create", "--pull=never", f"--name={name}", *environment, *options, image, *command]

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Returns the environment in which the program makes a container with some variables."""
        return {**{name: value for name, value in variables.items() if self._may_hold(name)}, **self.environment}

    def _may_hold(self, name: str) -> bool:
        return name not in self.environment and not _is_kept(name) and not name.startswith("LD_")

    def start(self, name: str) -> list[str]:
        """Makes the command line that starts a container and stays until it ends, with its exit code."""
        return [self.program, "start", "--attach", name]

    def inspect(self, name: str) -> list[str]:
        """Makes the command line that prints the state of a container."""
        return [self.program, "inspect", "--format={{.State.Status}}", name]

    def find_image(self, image: str) -> list[str]:
        """Makes the command line that fails if an image is not there."""
        return [self.program, "image", "inspect", "--format={{.Id}}", image]

    def pull(self, image: str, login: Path) -> list[str]:
        """Makes the command line that fetches an image.

        Args:
            image: the image.
            login: directory whose ``config.json`` holds names and passwords of registries.
        """
        if self.is_podman:
            return [self.program, "pull", f"--authfile={login / 'config.json'}", full_name(image)]
        return [self.program, f"--config={login}", "pull", image]

    def remove(self, names: Sequence[str], grace: float) -> list[list[str]]:
        """Makes the command lines that end containers, gently at first, and remove them.

        Args:
            names: of the containers, which need not exist.
            grace: seconds between SIGTERM and SIGKILL.
        """
        time = f"--time={max(1, round(grace))}"
        if self.is_podman:
            return [[self.program, "rm", "--force", "--ignore", "--volumes", time, *names]]
        return [[self.program, "stop", time, *names], [self.program, "rm", "--force", "--volumes", *names]]

    def list_labelled(self, label: str) -> list[str]:
        """Makes the command line that prints the ids of all containers with a label."""
        return [self.program, "ps", "--all", "--quiet", "--no-trunc", f"--filter=label={label}"]


def full_name(image: str) -> str:
    """Returns the name of an image with its registry, which is Docker Hub if it names none.

    Docker knows that; Podman asks the machine's settings, which may name no registry at all.
    """
    registry, slash, _ = image.partition("/")
    if not slash:
        return f"docker.io/library/{image}"
    is_registry = "." in registry or ":" in registry or registry == "localhost"
    return image if is_registry else f"docker.io/{image}"


async def find_runtime(path: str, environment: Mapping[str, str]) -> ContainerRuntime | None:
    """Looks for a program that runs containers, and whether it answers.

    Args:
        path: the directories in which it is looked for, as in PATH.
        environment: the service's own; the program is given little of it.
    """
    kept = {name: value for name, value in environment.items() if _is_kept(name)} | {"PATH": path}
    for name in _NAMES:
        program = shutil.which(name, path=path)
        if program is not None and await _answers(program, kept):
            return ContainerRuntime(program, kept)
    return None


def _is_kept(name: str) -> bool:
    return name in _KEPT or name.startswith(_KEPT_PREFIXES) or name.lower() in _PROXIES


async def _answers(program: str, environment: Mapping[str, str]) -> bool:
    quiet = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            program, "info", stdin=quiet, stdout=quiet, stderr=quiet, env=dict(environment), start_new_session=True
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            return await process.wait() == 0
    except TimeoutError:
        return False
    finally:
        with suppress(ProcessLookupError):
            process.kill()
