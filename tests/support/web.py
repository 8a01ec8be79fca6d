"""A web server on loopback whose answers a test chooses."""

import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Web:
    """What a server answers, by path with query; anything else is 404.

    Attributes:
        bodies: answered with 200.
        statuses: answered with that status and no body; several of them one after the other, before the body.
        redirects: answered with 302 to the value.
        cut: paths whose body is cut short.
        hanging: paths that are not answered before ``released`` is set.
        etags: of paths, with their quotes.
        asked: how often each path was asked for.
        headless: paths of which only a GET is answered, as of links signed for reading.
        heads: how often a HEAD of each path was asked for.
    """

    url: str
    bodies: dict[str, bytes] = field(default_factory=dict)
    statuses: dict[str, list[int]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    released: threading.Event = field(default_factory=threading.Event)
    etags: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    headless: set[str] = field(default_factory=set)
    heads: Counter[str] = field(default_factory=Counter)

    def add(self, path: str, body: bytes) -> str:
        """Adds a file and returns its link."""
        self.bodies[path] = body
        return self.url + path


@contextmanager
def web_server(certificate: tuple[Path, Path] | None = None) -> Iterator[Web]:
    """A running web server.

    Args:
        certificate: files of its certificate and key; None is a server without TLS.
    """
    web: Web

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that has gone is no error."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_HEAD(self) -> None:
            web.heads[self.path] += 1
            if self.path in web.headless:
                self._answer(403, b"")
            else:
                self._choose()

        def do_GET(self) -> None:
            web.asked[self.path] += 1
            self._choose()

        def _choose(self) -> None:
            if self.path in web.hanging:
                web.released.wait()
            if self.path in web.redirects:
                self._answer(302, b"", web.redirects[self.path])
            elif web.statuses.get(self.path):
                self._answer(web.statuses[self.path].pop(0), b"")
            elif self.path in web.bodies:
                self._answer(200, web.bodies[self.path])
            else:
                self._answer(404, b"no")

        def _answer(self, status: int, body: bytes, location: str | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if body.startswith(b"<?xml"):
                self.send_header("Content-Type", "application/xml")
            if self.path in web.etags:
                self.send_header("ETag", web.etags[self.path])
            if location:
                self.send_header("Location", location)
            self.end_headers()
            if self.path in web.cut:
                body = body[: len(body) // 2]
                self.close_connection = True
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    web = Web(f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield web
    finally:
        web.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
