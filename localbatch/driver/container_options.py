"""What a container is given of its node: directories at the paths they have on every node, variables, name, network."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from localbatch.bodies.containers import BindMount, ContainerSettings
from localbatch.driver.container_runtime import ContainerRuntime
from localbatch.driver.interface import Run
from localbatch.driver.layout import TaskDirectory, hosts_file
from localbatch.driver.prepared import PreparedCommand

# The network of this machine: the addresses of nodes and of the local storage service mean the same in it.
_NETWORK = "--network=host"
_NETWORK_OPTIONS = ("--network", "--net")
_DIRECTORIES = {"shared": "shared", "startup": "startup", "vfsmounts": "fsmounts", "applications": "applications"}


def container_options(
    settings: ContainerSettings, run: Run, directory: TaskDirectory, extra: Sequence[str], runtime: ContainerRuntime
) -> list[str]:
    """Makes the options of a container, but for its environment.

    Args:
        settings: what its client wants.
        run: the command that is to run in it.
        directory: the command's directory.
        extra: the client's own options, which come last and win.
        runtime: the program that makes it.
    """
    options = [f"--hostname={run.node.hostname}", "--log-driver=none"]
    if not any(option.split("=")[0] in _NETWORK_OPTIONS for option in extra):
        options.append(_NETWORK)
        options.append(_bind(hosts_file(run.node), "/etc/hosts", read_only=True))
    if not runtime.is_podman and os.geteuid():
        # What the container writes must be ours, or it could never be removed.
        options.append(f"--user={os.geteuid()}:{os.getegid()}")
    mounts = settings.container_host_batch_bind_mounts
    for source, read_only in _sources(mounts, run, directory):
        options.append(_bind(source, _inside(source, directory), read_only=read_only))
    sees_directory = mounts is None or any((each.source or "").lower() == "task" for each in mounts)
    if settings.works_in_task_directory and sees_directory:
        options.append(f"--workdir={_inside(directory.working, directory)}")
    return [*options, *extra]


def container_variables(command: PreparedCommand) -> dict[str, str]:
    """Returns the variables of a command in a container: those of Batch and the user's, the image has the others."""
    environment, mount = command.environment, command.node.mount
    moved = environment.mounted(command.directory.root, mount) if mount else {}
    return {name: moved.get(name, environment.variables[name]) for name in environment.given}


def _sources(mounts: list[BindMount] | None, run: Run, directory: TaskDirectory) -> Iterator[tuple[Path, bool]]:
    if mounts is None:
        yield directory.root, False
        return
    for mount in mounts:
        source = _source((mount.source or "").lower(), run, directory)
        if source is not None and source.is_dir():
            yield source, mount.is_read_only


def _source(name: str, run: Run, directory: TaskDirectory) -> Path | None:
    if name == "task":
        return directory.path
    if name == "jobprep":
        preparation = run.variables.get("AZ_BATCH_JOB_PREP_DIR")
        return None if preparation is None else Path(preparation)
    return directory.root / _DIRECTORIES[name] if name in _DIRECTORIES else None


def _inside(path: Path, directory: TaskDirectory) -> str:
    return str((directory.mount or directory.root) / path.absolute().relative_to(directory.root))


def _bind(source: Path, target: str, *, read_only: bool) -> str:
    fields = ["type=bind", f"source={source}", f"target={target}", *(["readonly"] if read_only else [])]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return f"--mount={line.getvalue()}"
