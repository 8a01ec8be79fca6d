"""What no official client sends: heads that leave room for doubt, hosts that are not ours, half of a request."""

import pytest

from localbatch.wire.connection import Endpoints
from tests.conformity.answers import check
from tests.conformity.raw import RawClient, code_of
from tests.support.account import Account

JOB = b'{"id": "job", "poolInfo": {"poolId": "pool"}}'


@pytest.fixture
def raw(service: Endpoints, batch: Account) -> RawClient:
    """Requests as bytes, of the account of the test."""
    return RawClient(service, batch.name)


def test_a_request_of_our_own_making_is_served(raw: RawClient) -> None:
    exchange = raw.send("POST", "/jobs", body=JOB)
    assert (exchange.status, check(exchange)) == (201, [])


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:80", "10.0.0.1", "", "localhost.example.org"])
def test_a_name_that_others_may_have_lead_here_is_refused(raw: RawClient, host: str) -> None:
    headers = [("Host", host), *raw.head("GET", "/pools?api-version=2025-06-01")[1:]]
    exchange = raw.exchange("GET", "/pools?api-version=2025-06-01", headers)
    assert (exchange.status, code_of(exchange), check(exchange)) == (400, "InvalidHeaderValue", [])


@pytest.mark.parametrize("host", ["localhost", "my.localhost", "[::1]:80", "127.3.2.1"])
def test_names_of_this_machine_are_served(raw: RawClient, host: str) -> None:
    target = "/pools?api-version=2025-06-01"
    assert raw.exchange("GET", target, [("Host", host), *raw.head("GET", target)[1:]]).status == 200


def test_a_management_request_to_another_name_is_refused_too(raw: RawClient) -> None:
    assert raw.exchange("GET", "/subscriptions/a", [("Host", "evil.example.org")]).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        [("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "chunked"), ("Content-Length", str(len(JOB)))],
    ],
)
def test_a_body_in_chunks_is_refused(raw: RawClient, headers: list[tuple[str, str]]) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(JOB), JOB)
    exchange = raw.send("POST", "/jobs", headers, chunked)
    assert (exchange.status, code_of(exchange), check(exchange)) == (411, "MissingContentLengthHeader", [])
    assert raw.send("GET", "/jobs/job").status == 404


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH"])
def test_a_body_without_a_length_is_refused(raw: RawClient, verb: str) -> None:
    target = "/jobs/job/terminate?api-version=2025-06-01"
    exchange = raw.exchange(verb, target, raw.head(verb, target))
    assert (exchange.status, code_of(exchange), check(exchange)) == (411, "MissingContentLengthHeader", [])


@pytest.mark.parametrize("name", ["Authorization", "ocp-date", "If-Match", "Content-Type"])
def test_a_header_that_comes_twice_is_refused(raw: RawClient, name: str) -> None:
    exchange = raw.send("GET", "/pools", [(name, "a"), (name, "b")])
    assert (exchange.status, code_of(exchange), check(exchange)) == (400, "InvalidHeaderValue", [])


def test_very_many_headers_are_refused(raw: RawClient) -> None:
    exchange = raw.send("GET", "/pools", [(f"X-{number}", "y") for number in range(101)])
    assert (exchange.status, check(exchange)) == (400, [])


@pytest.mark.parametrize(
    "target",
    [
        *("/jobs/%", "/jobs/%zz", "/jobs/%00", "/jobs/%ff%fe", "/jobs/a%2fb", "/jobs/..%2f..", "/jobs/%2e%2e"),
        "/jobs/" + "x" * 30_000,
    ],
)
def test_an_odd_name_in_a_path_is_not_found(raw: RawClient, target: str) -> None:
    exchange = raw.send("GET", target)
    assert (exchange.status, code_of(exchange), check(exchange)) == (404, "JobNotFound", [])


@pytest.mark.parametrize(
    "target", ["/jobs/../pools", "/./pools", "http://127.0.0.1/pools", "*", "/pools;x", "/pools/", "//pools"]
)
def test_an_odd_path_is_no_uri_of_the_service(raw: RawClient, target: str) -> None:
    exchange = raw.send("GET", target)
    assert (exchange.status, code_of(exchange), check(exchange)) == (400, "InvalidUri", [])


@pytest.mark.parametrize(
    "query",
    ["maxresults=%zz", "$filter=%ff", "$select=%00", "$skiptoken=%ff", "timeOut=%00", "&&==&=", "%00=%00", "a" * 9000],
)
def test_an_odd_query_is_answered_in_the_form_of_the_service(raw: RawClient, query: str) -> None:
    exchange = raw.send("GET", f"/jobs?{query}")
    assert (exchange.status in (200, 400), check(exchange)) == (True, [])


@pytest.mark.parametrize(
    "bytes_",
    [
        *(b"", b"\r\n\r\n", b"\0\0\0\0", b"GET\r\n\r\n", b"GET /jobs HTTP/9.9\r\n\r\n", b"GET /jobs HTTP/1.1\r\n\r\n"),
        *(
            b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
        *(
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nA" + b":" * 100_000 + b"\r\n\r\n",
        ),
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n Folded: yes\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_the_service_lives_on(raw: RawClient, bytes_: bytes) -> None:
    answer = raw.speak(bytes_)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert raw.send("GET", "/pools").status == 200
