"""The SharedKey signature, against vectors worked out by hand and against tampering."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import format_http_date
from localbatch.wire.signature import LARGEST_SKEW, sign, string_to_sign, verify

KEY = b"a key of thirty-two bytes, or so"
NOW = datetime(2026, 3, 6, 12, 0, 0, tzinfo=UTC)
DATE = "Fri, 06 Mar 2026 12:00:00 GMT"
TYPE = "application/json; odata=minimalmetadata"


@dataclass(frozen=True)
class Request:
    method: str = "POST"
    path: str = "/pools/p%2F%C3%A9/resize"
    query: str = "api-version=2025-06-01&timeOut=30"
    content_length: str = "17"
    content_type: str = TYPE
    if_match: str = '"0x8D"'
    ocp_date: str = DATE
    ocp_range: str = "bytes=0-9"
    account: str = "local"

    @property
    def headers(self) -> dict[str, str]:
        return {
            "Content-Length": self.content_length,
            "Content-Type": self.content_type,
            "If-Match": self.if_match,
            "Ocp-Date": self.ocp_date,
            "ocp-range": self.ocp_range,
        }

    def signed(self, key: bytes = KEY) -> dict[str, str]:
        text = string_to_sign(self.method, self.path, self.query, self.headers, self.account)
        return {"authorization": f"SharedKey {self.account}:{sign(text, key)}"}


def check(request: Request, authorization: dict[str, str], now: datetime = NOW) -> str:
    return verify(request.method, request.path, request.query, request.headers | authorization, [KEY], now)


def refused_because(request: Request, authorization: dict[str, str], now: datetime = NOW) -> str:
    with pytest.raises(ServiceError) as caught:
        check(request, authorization, now)
    assert (caught.value.code, caught.value.status) == ("AuthenticationFailed", 403)
    return dict(caught.value.values)["AuthenticationErrorDetail"]


def test_the_text_of_a_get_is_put_together_by_the_recipe() -> None:
    text = string_to_sign(
        "GET",
        b"/jobs/j/tasks/t/files/wd%2Fa%20b%2Bc%2F%C3%A9.txt",
        b"timeOut=30&api-version=2025-06-01&$select=id%2Cstate&$expand=&$filter=a+b",
        {"Host": "h", "Content-Length": "0", "Ocp-Range": "bytes=0-1", "ocp-date": DATE, "Accept": "*/*"},
        "acct",
    )
    assert text == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\n"
        f"ocp-date:{DATE}\nocp-range:bytes=0-1\n"
        "/acct/jobs/j/tasks/t/files/wd%2Fa%20b%2Bc%2F%C3%A9.txt"
        "\n$filter:a b\n$select:id,state\napi-version:2025-06-01\ntimeOut:30"
    )


def test_the_signed_headers_stand_in_their_order() -> None:
    names = (
        "Content-Encoding Content-Language Content-Length Content-MD5 Content-Type Date "
        "If-Modified-Since If-Match If-None-Match If-Unmodified-Since Range"
    )
    headers = {name: str(place) for place, name in enumerate(names.split())}
    assert string_to_sign("PUT", "/", "", headers, "a") == "PUT\n" + "\n".join(map(str, range(11))) + "\n/a/"


@pytest.mark.parametrize(
    ("method", "length"), [("GET", ""), ("HEAD", ""), ("POST", "0"), ("DELETE", "0"), ("PUT", "0")]
)
def test_a_request_without_body_signs_no_length_or_zero(method: str, length: str) -> None:
    assert string_to_sign(method, "/", "", {}, "a").split("\n")[3] == length


def test_of_a_repeated_query_name_only_the_first_value_is_signed() -> None:
    assert string_to_sign("GET", "/", "x=1&x=2", {}, "a").endswith("/a/\nx:1")


def test_a_signed_request_names_its_account() -> None:
    request = Request(account="some-Account.1")
    assert check(request, request.signed()) == "some-Account.1"


def test_names_of_the_query_signed_in_lower_case_are_understood() -> None:
    request = Request(query="timeOut=30&Zeta=1&alpha=2")
    text = string_to_sign(
        request.method, request.path, request.query, request.headers, request.account, lower_names=True
    )
    assert text.endswith("\nalpha:2\ntimeout:30\nzeta:1")
    assert check(request, {"authorization": f"SharedKey local:{sign(text, KEY)}"}) == "local"


@pytest.mark.parametrize("signed", ["", "0"])
def test_a_length_that_is_not_sent_may_be_signed_as_nothing_or_zero(signed: str) -> None:
    headers = {"ocp-date": DATE}
    text = string_to_sign("DELETE", "/jobs/j", "", headers, "local", missing_length=signed)
    assert text.split("\n")[3] == signed
    authorization = {"authorization": f"SharedKey local:{sign(text, KEY)}"}
    assert verify("DELETE", "/jobs/j", "", headers | authorization, [KEY], NOW) == "local"


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"path": "/pools/p/é/resize"},
        {"path": "/pools/p%2f%C3%A9/resize"},
        {"query": "api-version=2025-06-01&timeOut=31"},
        {"query": "api-version=2025-06-01"},
        {"query": "api-version=2025-06-01&timeOut=30&x=1"},
        {"content_length": "18"},
        {"content_type": "application/json"},
        {"if_match": "*"},
        {"ocp_date": "Fri, 06 Mar 2026 12:00:01 GMT"},
        {"ocp_range": "bytes=0-10"},
    ],
    ids=str,
)
def test_a_request_changed_after_signing_is_refused(change: dict[str, str]) -> None:
    request = Request()
    assert "string to sign" in refused_because(replace(request, **change), request.signed())


def test_a_signature_moved_to_another_account_is_refused() -> None:
    authorization = {"authorization": Request().signed()["authorization"].replace("local", "other")}
    assert "string to sign" in refused_because(Request(), authorization)


def test_a_wrong_key_is_refused() -> None:
    assert "string to sign" in refused_because(Request(), Request().signed(b"another key"))


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer abc", "SharedKey", "SharedKey local", "SharedKey local:", "SharedKey local:é", "SharedKey ../x:YQ==",
     "SharedKey a b:YQ==", "SharedKey .x:YQ==", "SharedKey local:YQ==\n", "SharedKey a/b:YQ=="],
)  # fmt: skip
def test_a_malformed_authorization_is_refused(authorization: str) -> None:
    assert "form" in refused_because(Request(), {"authorization": authorization})


def test_a_signature_that_is_not_base64_is_refused() -> None:
    assert "base64" in refused_because(Request(), {"authorization": "SharedKey local:YQ="})


@pytest.mark.parametrize("sign_of", [1, -1])
def test_a_date_may_be_fifteen_minutes_off_and_no_more(sign_of: int) -> None:
    request = Request()
    assert check(request, request.signed(), NOW + sign_of * LARGEST_SKEW) == "local"
    late = NOW + sign_of * (LARGEST_SKEW + timedelta(seconds=1))
    assert "15 minutes" in refused_because(request, request.signed(), late)


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Mar 2026 12:00:00 GMT"])
def test_a_request_without_a_readable_date_is_refused(date: str) -> None:
    request = Request(ocp_date=date)
    assert "ate" in refused_because(request, request.signed())


def test_a_date_header_serves_where_there_is_no_ocp_date() -> None:
    headers = {"date": format_http_date(NOW)}
    headers["authorization"] = f"SharedKey a:{sign(string_to_sign('GET', '/pools', '', headers, 'a'), KEY)}"
    assert verify("GET", "/pools", "", headers, [KEY], NOW) == "a"


@given(st.text(), st.binary(), st.binary(), st.text(), st.text())
def test_whatever_is_sent_is_refused_by_a_service_error(
    method: str, path: bytes, query: bytes, authorization: str, date: str
) -> None:
    with pytest.raises(ServiceError):
        verify(method, path, query, {"Authorization": authorization, "ocp-date": date}, [KEY], NOW)


@given(st.binary(min_size=1), st.binary(), st.text(st.characters(codec="latin-1"), max_size=20))
def test_whatever_is_signed_with_the_key_is_let_in(path: bytes, query: bytes, tag: str) -> None:
    headers = {"ocp-date": DATE, "If-Match": tag}
    text = string_to_sign("DELETE", path, query, headers, "a")
    assert (
        verify("DELETE", path, query, headers | {"Authorization": f"SharedKey a:{sign(text, KEY)}"}, [KEY], NOW) == "a"
    )
