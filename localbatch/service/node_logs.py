"""The logs of nodes, uploaded to where their reader wants them.

There is no node agent here that would write logs. What there is to tell of a node is: what its record says, as a log
with a line for each event, and what its start task has written.
"""

import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool

from localbatch.bodies.commands import OutputContainer
from localbatch.bodies.nodes import NodeLogUpload
from localbatch.bodies.reading import read
from localbatch.driver.failures import CommandFailed
from localbatch.driver.node_paths import NodePaths
from localbatch.driver.output_files import Upload, upload_file
from localbatch.engine.context import Context
from localbatch.engine.fleet import Node
from localbatch.service.files import FileTree
from localbatch.wire.errors import ServiceError, invalid_property
from localbatch.wire.formats import JsonObject, format_time, parse_time

logger = logging.getLogger("localbatch")

Event = tuple[datetime, str]
_START_TASK_LOGS = ("startup/stdout.txt", "startup/stderr.txt")


class NodeLogs:
    """Uploads logs of nodes.

    Args:
        context: the engine's surroundings.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    async def upload(self, node: Node, document: JsonObject) -> JsonObject:
        """Uploads those logs of a node that have something of the time asked for.

        They are on their way when the answer is given; whether the container takes them is told in the service's log.

        Returns:
            The answer: the directory in the container, and the number of files.

        Raises:
            ServiceError: the body is refused.
        """
        body = read(NodeLogUpload, document)
        _check_container(body.container_url)
        directory = f"{node.place.pool_id}/{node.id}/{uuid.uuid4()}"
        link = self._context.lead_home(body.container_url)
        container = OutputContainer(container_url=link, path=None, identity_reference=body.identity_reference)
        # Where the next start clears away what a service that was killed has left.
        parent = self._context.mount.parent
        parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=parent)
        files = await run_in_threadpool(_gather, Path(folder.name), node, node_events(node, self._tasks(node)), body)
        uploads = [Upload(path, f"{directory}/{name}", container) for name, path in files]
        self._context.background.start(_send(node.id, uploads, folder))
        return {"virtualDirectoryName": directory, "numberOfFilesUploaded": len(uploads)}

    def _tasks(self, node: Node) -> list[Event]:
        events = []
        for seq, _ in node.recent:
            task = self._context.store.tasks.get(seq)
            job = self._context.store.jobs.get(task.job) if task else None
            if task and job and task.started and task.node_id == node.id:
                events.append((task.started, f"task {task.id} of job {job.id} started"))
                events += [(task.ended, f"task {task.id} of job {job.id} ended: {task.result}")] if task.ended else []
        return events


def node_events(node: Node, others: Iterable[Event]) -> list[Event]:
    """Returns what a node's record tells of its life, in the order of time.

    Args:
        node: the node.
        others: what else is known of it.
    """
    record = node.record
    events = [(record.allocated, f"node {record.id} allocated as {node.place.hostname}"), *others]
    if record.booted is not None:
        events.append((record.booted, f"started at {node.place.address}"))
    info = record.start_info or {}
    for name, what in (("startTime", "start task started"), ("endTime", f"start task ended: {info.get('result')}")):
        events += [(parse_time(str(info[name])), what)] if name in info else []
    events.append((record.state_changed, f"state {record.state}, scheduling {record.scheduling}"))
    events += [(record.state_changed, f"error {error['code']}: {error['message']}") for error in record.errors]
    return sorted(events, key=lambda event: event[0])


def _check_container(link: str) -> None:
    parts = urlsplit(link)
    if parts.scheme not in ("http", "https") or not parts.netloc or not parts.path.strip("/"):
        raise invalid_property("containerUrl", link.partition("?")[0], "It must be the link of a container.")


def _gather(folder: Path, node: Node, events: list[Event], body: NodeLogUpload) -> list[tuple[str, Path]]:
    return [*_event_log(folder, events, body), *_start_task_logs(folder, node, body)]


async def _send(node_id: str, uploads: list[Upload], folder: "tempfile.TemporaryDirectory[str]") -> None:
    try:
        for upload in uploads:
            await run_in_threadpool(upload_file, upload)
    except CommandFailed as error:
        details = "; ".join(f"{name}: {value}" for name, value in error.failure.details)
        logger.warning("The logs of node %s could not be uploaded: %s (%s)", node_id, error.failure.code, details)
    finally:
        folder.cleanup()


def _event_log(folder: Path, events: list[Event], body: NodeLogUpload) -> list[tuple[str, Path]]:
    if not any(_within(body, moment, moment) for moment, _ in events):
        return []
    file = folder / "agent.log"
    file.write_text("".join(f"{format_time(moment)} {text}\n" for moment, text in events))
    return [(file.name, file)]


def _start_task_logs(folder: Path, node: Node, body: NodeLogUpload) -> list[tuple[str, Path]]:
    tree = FileTree(node.place.root, NodePaths(node.place.root, node.place.mount))
    found = []
    for name in _START_TASK_LOGS:
        try:
            entry = tree.find(name)
        except ServiceError:
            continue  # there is no start task, or it has not written anything yet
        if not entry.is_directory and _within(body, node.record.booted or entry.modified, entry.modified):
            # The node may be gone before they are sent.
            found.append((name, Path(shutil.copyfile(entry.path, folder / Path(name).name))))
    return found


def _within(body: NodeLogUpload, first: datetime, last: datetime) -> bool:
    """Tells whether a log from the first to the last moment has something of the time asked for."""
    return body.start_time <= last and (body.end_time is None or first <= body.end_time)
