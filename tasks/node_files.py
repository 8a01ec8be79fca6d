"""Files on the nodes of a pool, for as long as the nodes are there.

The SDK loses the code of an error that answers a download; only its status is left.
"""

from pathlib import Path

from azure.batch import BatchClient
from azure.core.exceptions import HttpResponseError

from prefect_azure_batch.tasks.logs import TAIL_BYTES, last_lines
from prefect_azure_batch.tasks.task_directory import STDERR
from prefect_azure_batch.tasks.transfer import write_whole

GONE = {404, 409}
"""Statuses that say that a node, a task's directory or a file is not there, or not any more."""


def read_stderr(client: BatchClient, pool_id: str, node_id: str, directory: str) -> str:
    """The last lines of the standard error in a directory of a node; empty if it cannot be read.

    Args:
        client: the Batch client.
        pool_id: the pool.
        node_id: the node.
        directory: relative to the node's root, such as ``startup``.
    """
    path = f"{normal(directory)}/{STDERR}"
    try:
        size = client.get_node_file_properties(pool_id, node_id, path).content_length or 0
        # A range is asked for only where it is needed, for a file that grows meanwhile has none that is right.
        span = f"bytes={size - TAIL_BYTES}-{size - 1}" if size > TAIL_BYTES else None
        pieces = client.download_node_file(pool_id, node_id, path, ocp_range=span)
        return last_lines(b"".join(pieces))
    except HttpResponseError:
        return ""  # it says more of a failure that is being told already, or nothing


def list_files(client: BatchClient, pool_id: str, node_id: str, directory: str) -> list[str]:
    """The files below a directory of a node, named relative to it.

    Raises:
        HttpResponseError: with one of the statuses ``GONE`` if the node is not there any more.
    """
    prefix = f"{directory}/"
    entries = client.list_node_files(pool_id, node_id, recursive=True, filter=f"startswith(name,'{prefix}')")
    names = [entry.name or "" for entry in entries if not entry.is_directory]
    return [name.removeprefix(prefix) for name in names if name.startswith(prefix)]


def fetch_file(client: BatchClient, pool_id: str, node_id: str, path: str, target: Path) -> Path:
    """Downloads a file of a node, which appears under its name only when it is whole.

    Raises:
        HttpResponseError: with one of the statuses ``GONE`` if it is not there any more.
    """
    pieces = client.download_node_file(pool_id, node_id, path)
    return write_whole(target, lambda file: file.writelines(pieces))


def normal(name: str) -> str:
    """A directory of a node as this project writes it; the service may use backslashes, and begin with one."""
    return name.replace("\\", "/").strip("/")
