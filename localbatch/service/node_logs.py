"""The logs of nodes, uploaded to where their reader wants them.

There is no node agent here that would write logs. What there is to tell of a node is: what its record says, as a log
with a line for each event, and what its start task has written.
"""

import tempfile
import uuid
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

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

        Returns:
            The answer: the directory in the container, and the number of files.

        Raises:
            ServiceError: the body is refused, or the container does not take the files.
        """
        body = read(NodeLogUpload, document)
        directory = f"{node.place.pool_id}/{node.id}/{uuid.uuid4()}"
        container = OutputContainer(
            container_url=self._context.lead_home(body.container_url),
            path=None,
            identity_reference=body.identity_reference,
        )
        events = node_events(node, self._tasks(node))
        try:
            count = await run_in_threadpool(_upload, node, events, body, container, directory)
        except CommandFailed as error:
            reason = f"{error.failure.message}: {dict(error.failure.details)['Message']}."
            raise invalid_property("containerUrl", dict(error.failure.details)["ContainerUrl"], reason) from error
        return {"virtualDirectoryName": directory, "numberOfFilesUploaded": count}

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


def _upload(node: Node, events: list[Event], body: NodeLogUpload, container: OutputContainer, directory: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        files = [
            *_event_log(Path(folder), events, body),
            *_start_task_logs(node, body),
        ]
        for name, path in files:
            upload_file(Upload(path, f"{directory}/{name}", container))
    return len(files)


def _event_log(folder: Path, events: list[Event], body: NodeLogUpload) -> list[tuple[str, Path]]:
    if not any(_within(body, moment, moment) for moment, _ in events):
        return []
    file = folder / "agent.log"
    file.write_text("".join(f"{format_time(moment)} {text}\n" for moment, text in events))
    return [(file.name, file)]


def _start_task_logs(node: Node, body: NodeLogUpload) -> list[tuple[str, Path]]:
    tree = FileTree(node.place.root, NodePaths(node.place.root, node.place.mount))
    found = []
    for name in _START_TASK_LOGS:
        try:
            entry = tree.find(name)
        except ServiceError:
            continue  # there is no start task, or it has not written anything yet
        if not entry.is_directory and _within(body, node.record.booted or entry.modified, entry.modified):
            found.append((name, entry.path))
    return found


def _within(body: NodeLogUpload, first: datetime, last: datetime) -> bool:
    """Tells whether a log from the first to the last moment has something of the time asked for."""
    return body.start_time <= last and (body.end_time is None or first <= body.end_time)
