"""Servers with certificates that nobody vouches for, and the one variable that does."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from localbatch.bodies.commands import ResourceFile
from localbatch.driver.blob_containers import AUTHORITIES_VARIABLE
from localbatch.driver.downloads import Downloader, DownloadError
from localbatch.driver.failures import CommandFailed
from localbatch.driver.resource_files import placements
from tests.support.certificates import write_certificate
from tests.support.web import Web, web_server

LISTING = b"""<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs><Blob><Name>a.txt</Name><Properties>
<Content-Length>1</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob></Blobs><NextMarker />
</EnumerationResults>"""
COMPLAINT = (
    rf"certificate of the server is not trusted \(.+\): name the file of its authority in {AUTHORITIES_VARIABLE}"
)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return write_certificate(tmp_path)[0]


@pytest.fixture
def web(certificate: Path) -> Iterator[Web]:
    with web_server((certificate, certificate.with_name("key.pem"))) as web:
        web.add("/file", b"body")
        web.add("/account/container?restype=container&comp=list&prefix=a&include=metadata", LISTING)
        yield web


def fetch(web: Web) -> bytes:
    downloader, stream = Downloader(1), io.BytesIO()
    try:
        downloader.fetch(f"{web.url}/file", stream, threading.Event())
    finally:
        downloader.close()
    return stream.getvalue()


def names(web: Web) -> list[str]:
    file = ResourceFile(storage_container_url=f"{web.url}/account/container", blob_prefix="a")
    return [placement.name for placement in placements(file)]


def test_an_untrusted_certificate_is_called_that(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(AUTHORITIES_VARIABLE, raising=False)
    with pytest.raises(DownloadError, match=COMPLAINT):
        fetch(web)
    with pytest.raises(CommandFailed) as caught:
        names(web)
    assert "is not trusted" in dict(caught.value.failure.details)["Message"]


def test_one_variable_names_the_authority_for_files_and_containers(
    web: Web, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(AUTHORITIES_VARIABLE, str(certificate))
    assert fetch(web) == b"body"
    assert names(web) == ["a.txt"]
