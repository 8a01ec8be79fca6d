"""HTTP to one service: what requests works out anew for each request is worked out once."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.models import PreparedRequest
from requests.structures import CaseInsensitiveDict

# What a socket is given, and asked for, at once.
_PIECE = 256 << 10
_ENCODINGS = "gzip, deflate"


class ServiceSession(requests.Session):
    """A session that many threads share; its requests cost half of the time of others.

    Proxies and certificates are looked up in the environment once for each service. There are no cookies and no
    redirects, which no service of Azure uses, and no passwords out of a ``.netrc`` file, which would displace ours.

    Args:
        connections: the most that are kept open.
    """

    def __init__(self, connections: int) -> None:
        super().__init__()
        self._settings: dict[str, Mapping[str, Any]] = {}
        adapter = _Adapter(pool_maxsize=connections)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def request(self, method: str, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        """Sends a request as azure-core's transport asks for it; any other is sent as requests does it."""
        body, files, is_stream = options.get("data"), options.get("files"), options.get("stream", False)
        if args or files or isinstance(body, dict) or not isinstance(url, str):
            return super().request(method, url, *args, **options)
        prepared = PreparedRequest()
        prepared.method, prepared.url, prepared.body = method, url, body
        prepared.headers = _headers(options.get("headers") or {})
        if isinstance(body, str):
            prepared.body = body.encode()
            prepared.headers.pop("Content-Length", None)  # it may count letters
        if "Content-Length" not in prepared.headers:
            prepared.prepare_content_length(prepared.body)
        settings = dict(self._settings_of(url, options)) | {"stream": is_stream}
        response = self.get_adapter(url).send(prepared, timeout=options.get("timeout"), **settings)
        if not is_stream:
            _ = response.content  # read to its end, or the connection is of no further use
        return response

    def _settings_of(self, url: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
        proxies, verify, cert = options.get("proxies"), options.get("verify"), options.get("cert")
        parts = urlsplit(url)
        service = f"{parts.scheme} {parts.netloc} {proxies} {verify} {cert}"
        if service not in self._settings:
            self._settings[service] = self.merge_environment_settings(url, proxies or {}, False, verify, cert)
        return self._settings[service]


def _headers(headers: Mapping[str, Any]) -> CaseInsensitiveDict[Any]:
    found = CaseInsensitiveDict({name: value for name, value in headers.items() if value is not None})
    found.setdefault("Accept-Encoding", _ENCODINGS)
    return found


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, blocksize=_PIECE)
