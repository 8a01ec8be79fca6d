"""Operations on the files of nodes and tasks."""

import mimetypes
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from localbatch.engine.engine import Engine
from localbatch.routes.answers import done
from localbatch.routes.call import Call, Handler
from localbatch.routes.paging import page, page_size, skip_token
from localbatch.rules import filters
from localbatch.service.files import FileEntry, FileTree, parse_range
from localbatch.service.jobs import Jobs
from localbatch.service.pools import Pools
from localbatch.service.tasks import Tasks
from localbatch.service.trees import FileTrees
from localbatch.views.links import file_url, node_url, task_url
from localbatch.wire.errors import ServiceError, invalid_query_parameter
from localbatch.wire.filters import compile_filter
from localbatch.wire.formats import JsonObject, format_http_date, format_time

_PIECE = 256 * 1024
_UNKNOWN_TYPE = "application/octet-stream"


class FileRoutes:
    """What can be done with files.

    Args:
        engine: what knows the nodes.
    """

    def __init__(self, engine: Engine) -> None:
        self._store, self._trees = engine.context.store, FileTrees(engine)
        self._pools, self._jobs, self._tasks = Pools(engine), Jobs(engine), Tasks(engine)

    def table(self) -> list[tuple[str, str, Handler]]:
        """Returns verb, path and handler of each operation."""
        table: list[tuple[str, str, Handler]] = []
        for path in ("/pools/{pool}/nodes/{node}/files", "/jobs/{job}/tasks/{task}/files"):
            table += [
                ("GET", path, self._list),
                ("GET", path + "/{file*}", self._download),
                ("HEAD", path + "/{file*}", self._describe),
                ("DELETE", path + "/{file*}", self._delete),
            ]
        return table

    def _tree(self, call: Call) -> tuple[FileTree, str]:
        """Finds the files a request is about, and the link to what holds them."""
        if "node" in call.names:
            return self._node_tree(call)
        return self._task_tree(call)

    def _node_tree(self, call: Call) -> tuple[FileTree, str]:
        pool = self._pools.get(call.account, call.names["pool"])
        node = self._store.find_node(pool.seq, call.names["node"])
        if node is None:
            raise ServiceError("NodeNotFound")
        return self._trees.of_node(pool, node), node_url(call.base_url, pool.id, node.id)

    def _task_tree(self, call: Call) -> tuple[FileTree, str]:
        job = self._jobs.get(call.account, call.names["job"])
        task = self._tasks.get(job, call.names["task"])
        return self._trees.of_task(job, task), task_url(call.base_url, job.id, task.id)

    async def _list(self, call: Call) -> Response:
        tree, owner = self._tree(call)
        passes = compile_filter(call.query.get("$filter", ""), filters.FILES)
        entries = await run_in_threadpool(tree.list, recursive=call.flag("recursive"))
        after = _order(skip_token(call))
        views = [(entry.order, _view(owner, entry)) for entry in entries if after is None or entry.order > after]
        found = [(order, view) for order, view in views if passes(view)]
        limit = page_size(call)
        token = f"{found[limit - 1][0][0]}/{found[limit - 1][0][1]}" if len(found) > limit else None
        return page(call, "files", [view for _, view in found[:limit]], token)

    async def _describe(self, call: Call) -> Response:
        entry, headers = await self._find(call)
        return Response(headers={**headers, "Content-Length": str(entry.size)}, media_type=_media_type(entry))

    async def _download(self, call: Call) -> Response:
        entry, headers = await self._find(call)
        if entry.is_directory:
            raise ServiceError("OperationInvalidForCurrentState", values=(("Reason", "It is a directory."),))
        begin, length = parse_range(call.request.headers.get("ocp-range"), entry.size)
        file = await run_in_threadpool(_open, entry.path)
        # As on Azure a part is answered with 200, too; clients take 206 for an error.
        return _Download(file, begin, length, headers, _media_type(entry))

    async def _find(self, call: Call) -> tuple[FileEntry, dict[str, str]]:
        tree, owner = self._tree(call)
        entry = await run_in_threadpool(tree.find, call.names["file"])
        call.conditions.check(entry.modified, with_etag=False)
        return entry, {
            "Last-Modified": format_http_date(entry.modified),
            "ocp-creation-time": format_http_date(entry.created),
            "ocp-batch-file-isdirectory": str(entry.is_directory),
            "ocp-batch-file-url": file_url(owner, entry.name),
            "ocp-batch-file-mode": f"{entry.mode:o}",
        }

    async def _delete(self, call: Call) -> Response:
        tree, _ = self._tree(call)
        await run_in_threadpool(tree.delete, call.names["file"], recursive=call.flag("recursive"))
        return done()


def _view(owner: str, entry: FileEntry) -> JsonObject:
    view: JsonObject = {
        "name": entry.name,
        "url": file_url(owner, entry.name),
        "isDirectory": entry.is_directory,
    }
    if not entry.is_directory:
        view["properties"] = {
            "creationTime": format_time(entry.created),
            "lastModified": format_time(entry.modified),
            "contentLength": str(entry.size),
            "contentType": _media_type(entry),
            "fileMode": f"{entry.mode:o}",
        }
    return view


def _media_type(entry: FileEntry) -> str:
    return mimetypes.guess_type(entry.name)[0] or _UNKNOWN_TYPE


def _order(token: str | None) -> tuple[int, str] | None:
    if token is None:
        return None
    depth, slash, name = token.partition("/")
    if not slash or not (depth.isascii() and depth.isdigit() and len(depth) < 19):
        raise invalid_query_parameter("$skiptoken", token, "It is not from a nextLink of this list.")
    return int(depth), name


class _Download(StreamingResponse):
    """A part of a file. Where the file is cut short meanwhile, the answer breaks off before the length it promised."""

    def __init__(self, file: BinaryIO, begin: int, length: int, headers: Mapping[str, str], media_type: str) -> None:
        promised = {**headers, "Content-Length": str(length)}
        super().__init__(_read(file, begin, length), headers=promised, media_type=media_type)
        self._left = length

    async def stream_response(self, send: Send) -> None:
        """Sends the answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for piece in self.body_iterator:
            self._left -= len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if not self._left:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        # It was there a moment ago.
        raise ServiceError("FileNotFound") from error


def _read(file: BinaryIO, begin: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(begin)
        while length > 0:
            piece = file.read(min(_PIECE, length))
            if not piece:
                return
            length -= len(piece)
            yield piece
