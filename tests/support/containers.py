"""Programs that run containers, for tests: a stand-in that is always there, and podman where it works."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from localbatch.bodies.containers import ContainerRegistry, ContainerSettings
from localbatch.driver.image import NodeImage
from localbatch.driver.interface import ContainerHost
from localbatch.driver.process import ProcessDriver
from tests.support.nodes import Node, place

IMAGE = "tiny:latest"
_STAND_IN = Path(__file__).with_name("fake_podman.py")
# Machines that are containers themselves allow less than podman asks for by default.
_MODEST = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n[engine]\nruntime = "runc"\n'


@dataclass(frozen=True)
class StandIn:
    """The stand-in: what it was told, and what it has.

    Attributes:
        programs: directory for PATH in which it stands.
        state: directory of its files.
    """

    programs: Path
    state: Path

    def calls(self, action: str = "") -> list[list[str]]:
        """Returns its command lines so far, or those of one action."""
        file = self.state / "calls"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if action in ("", line[0])]

    def containers(self) -> list[Path]:
        """Returns what stands for containers that were not removed."""
        return list(self.state.glob("*.json"))


def make_stand_in(root: Path, *names: str) -> StandIn:
    """Makes the stand-in, with one image.

    Args:
        root: an empty directory.
        names: of the programs it stands for; podman if none is given.
    """
    made = StandIn(root / "bin", root / "state")
    for directory in (made.programs, made.state):
        directory.mkdir()
    (made.state / "images").write_text(IMAGE + "\n")
    (made.state / "registry").write_text("registry.example/image:1\n")
    for name in names or ("podman",):
        write_program(made.programs / name, [sys.executable, "-I", "-S", str(_STAND_IN), str(made.state)])
    return made


def write_program(file: Path, words: Sequence[str]) -> None:
    """Writes a program that hands its arguments on."""
    file.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    file.chmod(0o755)


def working_podman(root: Path) -> Path | None:
    """Makes a podman with images of its own, among them one with busybox; None where that can't be had.

    Args:
        root: an empty directory, which will hold the program ``podman`` and what belongs to it.
    """
    podman, busybox = shutil.which("podman"), shutil.which("busybox")
    if podman is None or busybox is None:
        return None
    modest = root / "containers.conf"
    modest.write_text(_MODEST)
    storage = [podman, f"--root={root / 'images'}", f"--runroot={root / 'run'}", "--storage-driver=vfs"]
    for variables in ([], [f"CONTAINERS_CONF={modest}"]):
        write_program(root / "podman", ["env", *variables, *storage])
        if _import(root, busybox) and _answers(root):
            return root
    return None


def _import(root: Path, busybox: str) -> bool:
    content = root / "content"
    for name in ("bin", "tmp", "etc", "work"):
        (content / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(busybox, content / "bin" / "busybox")
    for name in ("sh", "echo", "cat", "sleep", "pwd", "env", "test", "touch", "hostname"):
        if not (content / "bin" / name).is_symlink():
            (content / "bin" / name).symlink_to("busybox")
    archive = subprocess.run(["tar", "-C", content, "-c", "."], capture_output=True, check=True).stdout
    words = [
        str(root / "podman"),
        "import",
        "--change=WORKDIR /work",
        "--change=ENV IMAGE=yes",
        "-",
        f"localhost/{IMAGE}",
    ]
    return subprocess.run(words, input=archive, capture_output=True, check=False).returncode == 0


def _answers(root: Path) -> bool:
    words = [str(root / "podman"), "run", "--rm", "--network=host", f"localhost/{IMAGE}", "/bin/echo"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def settings(image: str = IMAGE, **given: object) -> ContainerSettings:
    """Makes the settings of a container."""
    return ContainerSettings.model_validate({"imageName": image, **given})


@asynccontextmanager
async def container_node(
    root: Path,
    programs: Path,
    images: tuple[str, ...] = (),
    registries: tuple[ContainerRegistry, ...] = (),
    grace: float = 1.0,
) -> AsyncIterator[Node]:
    """A node of a pool for containers, whose driver finds a program in a directory first."""
    driver = ProcessDriver(grace=grace, image=NodeImage((programs,)))
    node = Node(driver, replace(place(root), containers=ContainerHost(images, registries)))
    try:
        assert await driver.create_node(node.place, ()) is None
        yield node
    finally:
        await driver.close()
