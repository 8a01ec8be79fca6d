"""A node of the process driver, for tests of the driver alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic

from localbatch.bodies.commands import OutputFile, ResourceFile
from localbatch.bodies.containers import ContainerSettings
from localbatch.driver.interface import NodePlace, Outcome, Package, Run
from localbatch.driver.process import ProcessDriver
from tests.support.processes import Process, process

TASK = "workitems/job/job-1/task"


def place(root: Path, number: int = 1) -> NodePlace:
    """Returns a node in a directory."""
    return NodePlace(
        account="account",
        account_url="http://127.0.0.1:1",
        pool_id="pool",
        node_id=f"tvm-{number}",
        address=f"127.1.0.{number + 3}",
        hostname=f"node-{number}",
        is_dedicated=True,
        root=root / f"node-{number}",
    )


@dataclass
class Node:
    """A node and the driver it belongs to."""

    driver: ProcessDriver
    place: NodePlace
    started: list[str] = field(default_factory=list)

    async def run(
        self,
        command_line: str,
        *,
        directory: str = TASK,
        environment: dict[str, str] | None = None,
        variables: dict[str, str] | None = None,
        resource_files: Iterable[ResourceFile] = (),
        output_files: Iterable[OutputFile] = (),
        packages: Iterable[Package] = (),
        seconds: float | None = None,
        keep_directory: bool = False,
        container: ContainerSettings | None = None,
    ) -> Outcome:
        """Runs a command and waits for its end."""
        run = Run(
            node=self.place,
            directory=directory,
            command_line=command_line,
            environment=environment or {},
            variables=variables or {},
            resource_files=tuple(resource_files),
            output_files=tuple(output_files),
            packages=tuple(packages),
            time_limit=None if seconds is None else timedelta(seconds=seconds),
            keep_directory=keep_directory,
            container=container,
        )
        return await self.driver.execute(run, lambda: self.started.append(command_line))

    def path(self, name: str = "", directory: str = TASK) -> Path:
        """Returns the place of a file in the task's directory."""
        return self.place.root / directory / name

    def stdout(self, directory: str = TASK) -> str:
        """Returns what the command has written to standard output."""
        return self.path("stdout.txt", directory).read_text()

    def processes(self) -> list[Process]:
        """Returns the processes of all commands of the node that still run."""
        return processes_below(self.place.root)


def processes_below(root: Path) -> list[Process]:
    """Returns the processes that were started for a task below a directory, found by their environment."""
    mark = f"AZ_BATCH_TASK_DIR={root}/".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(variable.startswith(mark) for variable in variables) and (known := process(int(entry.name))):
            found.append(known)
    return [known for known in found if known.alive()]


@asynccontextmanager
async def local_node(root: Path, packages: tuple[Package, ...] = (), grace: float = 1.0) -> AsyncIterator[Node]:
    """A node that is there as long as the context."""
    driver = ProcessDriver(grace=grace)
    node = Node(driver, place(root))
    try:
        assert await driver.create_node(node.place, packages) is None
        yield node
    finally:
        await driver.close()


async def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits until something holds, with the event loop running on.

    Raises:
        AssertionError: it did not in time.
    """
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, f"not true within {seconds} s"
        await asyncio.sleep(0.02)
