"""The directories of a node and of a task, as on Azure's Linux nodes.

<node root>
├── applications   application packages, one directory each
├── fsmounts
├── shared
├── startup        the start task's directory
├── volatile       what the driver keeps for itself: hosts, packages.json
└── workitems/<job>/job-1/<task>
    ├── stdout.txt, stderr.txt
    ├── fileuploadout.txt, fileuploaderr.txt   if there were output files
    ├── certs
    └── wd         the working directory

The same of a subtask, which shares all but its logs with the primary's directory on another node:

└── workitems/<job>/job-1/<task>
    ├── <number>
    │   ├── stdout.txt, stderr.txt
    │   └── wd     a link to ../wd
    ├── certs
    └── wd
"""

import contextlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from localbatch.driver.interface import NodePlace
from localbatch.driver.node_paths import NodePaths
from localbatch.store.removal import remove_tree

NODE_DIRECTORIES = ("applications", "fsmounts", "shared", "startup", "volatile", "workitems")


@dataclass(frozen=True)
class TaskDirectory:
    """The directory of one task.

    Attributes:
        root: the node's root, absolute.
        path: the task's directory.
        subtask: number of the subtask that runs here; 0 is the primary, or a task that has no subtasks.
        mount: where the node's commands see the root.
    """

    root: Path
    path: Path
    subtask: int = 0
    mount: Path | None = None

    @classmethod
    def of(cls, node: NodePlace, directory: str, subtask: int = 0) -> "TaskDirectory":
        """Returns the directory of that name, relative to the node's root.

        Raises:
            ValueError: it would lie outside the node.
        """
        root = node.root.absolute()
        path = Path(os.path.normpath(root / directory))
        if root not in path.parents:
            raise ValueError(f"{directory!r} is not a directory of a task.")
        return cls(root, path, subtask, node.mount)

    @cached_property
    def node(self) -> NodePaths:
        """The node's directory tree."""
        return NodePaths(self.root.resolve(), self.mount)

    @property
    def own(self) -> Path:
        """What belongs to this subtask alone: its logs."""
        return self.path / str(self.subtask) if self.subtask else self.path

    @property
    def working(self) -> Path:
        """Where the command runs."""
        return self.path / "wd"

    @property
    def certificates(self) -> Path:
        """Where certificates would lie."""
        return self.path / "certs"

    @property
    def stdout(self) -> Path:
        """The command's standard output."""
        return self.own / "stdout.txt"

    @property
    def stderr(self) -> Path:
        """The command's standard error."""
        return self.own / "stderr.txt"

    @property
    def upload_log(self) -> Path:
        """What was uploaded."""
        return self.path / "fileuploadout.txt"

    @property
    def upload_errors(self) -> Path:
        """What could not be uploaded."""
        return self.path / "fileuploaderr.txt"

    def prepare(self, *, keep: bool) -> None:
        """Makes the directory ready for a run of its command.

        Args:
            keep: leave the files of the run before, as on a retry; standard output and error start anew all the same.
        """
        if not keep:
            remove_tree(self.path)
        for directory, mode in ((self.path, 0o755), (self.working, 0o750), (self.certificates, 0o700)):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(mode)
        if self.subtask:
            self.own.mkdir(exist_ok=True)
            (self.own / "wd").unlink(missing_ok=True)
            (self.own / "wd").symlink_to(Path("..", "wd"))
        for file in (self.stdout, self.stderr):
            file.unlink(missing_ok=True)
            file.touch()
            file.chmod(0o644)


def make_node(node: NodePlace) -> None:
    """Makes a node's directories and the hosts file that its commands see."""
    for name in NODE_DIRECTORIES:
        (node.root / name).mkdir(parents=True, exist_ok=True)
    if node.mount is not None:
        node.mount.mkdir(parents=True, exist_ok=True)
    hosts_file(node).write_text(_hosts(node), errors="surrogateescape")


def hosts_file(node: NodePlace) -> Path:
    """Returns the place of the node's own ``/etc/hosts``."""
    return node.root.absolute() / "volatile" / "hosts"


def _hosts(node: NodePlace) -> str:
    # First, for the first address of a name is the one that programs are given.
    lines = [f"{node.address} {node.hostname}", "127.0.0.1 localhost", "::1 localhost"]
    with contextlib.suppress(OSError):
        lines.append(Path("/etc/hosts").read_text(errors="surrogateescape"))
    return "\n".join(lines) + "\n"
