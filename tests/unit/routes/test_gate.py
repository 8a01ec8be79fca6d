"""What is refused by the head of a request alone."""

import pytest

from localbatch.routes.gate import LONGEST_HEADERS, MOST_HEADERS, Hosts, check_head
from localbatch.wire.errors import ServiceError

LOCAL, REMOTE = Hosts(), Hosts(["batch.example.org"], remote=True)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.8.7:80", "localhost", "LOCALHOST:65535", "localhost.", "[::1]:80", "a.b.localhost:1"]
)
def test_names_of_this_machine_are_always_ours(host: str) -> None:
    assert LOCAL.includes(host)
    assert REMOTE.includes(host)


@pytest.mark.parametrize("host", ["10.0.0.4:80", "[fe80::1]", "batch.example.org", "BATCH.example.org.:443"])
def test_what_other_machines_call_it_is_ours_only_where_they_may(host: str) -> None:
    assert not LOCAL.includes(host)
    assert REMOTE.includes(host)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            " ",
            ":80",
            "evil.example.org",
            "localhost.evil.org",
            "127.0.0.1.evil.org",
            "notlocalhost",
            "[::1",
            "::1",
        ),
        *("127.0.0.1:port", "127.0.0.1:123456", "user@127.0.0.1", "127.0.0.1/", "127.0.0.1#x", "0x7f.1", "2130706433"),
    ],
)
def test_all_others_are_not(host: str) -> None:
    assert not LOCAL.includes(host)
    assert not REMOTE.includes(host)


@pytest.mark.parametrize(
    ("verb", "headers", "code"),
    [
        ("GET", [("host", "evil.example.org")], "InvalidHeaderValue"),
        ("GET", [("if-match", "a"), ("if-match", "b")], "InvalidHeaderValue"),
        ("GET", [("authorization", "a"), ("authorization", "a")], "InvalidHeaderValue"),
        ("GET", [("x", "y")] * (MOST_HEADERS + 1), "InvalidHeaderValue"),
        ("GET", [("x", "y" * LONGEST_HEADERS)], "InvalidHeaderValue"),
        ("GET", [("transfer-encoding", "chunked")], "MissingContentLengthHeader"),
        ("POST", [("transfer-encoding", "chunked"), ("content-length", "1")], "MissingContentLengthHeader"),
        *((verb, [("host", "localhost")], "MissingContentLengthHeader") for verb in ("POST", "PUT", "PATCH")),
    ],
)
def test_a_doubtful_head_is_refused(verb: str, headers: list[tuple[str, str]], code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check_head(verb, headers, LOCAL)
    assert caught.value.code == code


def test_any_other_head_is_not() -> None:
    check_head("GET", [("host", "localhost"), *[("x", "y")] * (MOST_HEADERS - 1)], LOCAL)
    check_head("POST", [("content-length", "0")], LOCAL)
    check_head("DELETE", [], LOCAL)
