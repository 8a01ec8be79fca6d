from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.blocks.signing import check_request, read_sas, sign

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)
KEY = "aGlkZGVuIGtleQ=="
ACCOUNT_SAS = "sv=2024-11-04&ss=b&srt=co&sp=rlcw&se=2026-05-02T00:00:00Z&sig=hidden"
CONTAINER_SAS = "sv=2024-11-04&sr=c&sp=rl&se=2026-05-02&sig=hidden"
BLOB_SAS = "sv=2024-11-04&sr=b&sp=r&se=2026-05-02&sig=hidden"
ENDPOINT = "https://lab.blob.core.windows.net"


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def signed(blob: str | None, permission: str, expiry: datetime = LATER, *, encrypted: bool = True) -> dict[str, str]:
    request = check_request("box", blob, permission, expiry, NOW)
    return query_of(request.url(ENDPOINT, sign(request, "lab", KEY, encrypted=encrypted)))


def test_a_link_holds_its_permission_expiry_and_resource() -> None:
    query = signed("a.txt", "r")
    assert (query["sp"], query["se"], query["sr"]) == ("r", "2026-05-01T14:00:00Z", "b")
    assert "st" not in query, "a start would fail where clocks differ"


def test_permissions_are_put_in_the_order_the_service_wants() -> None:
    assert signed("a.txt", "wcr")["sp"] == "rcw"
    assert signed(None, "lwcr")["sp"] == "rcwl"


def test_a_container_link_is_for_the_container() -> None:
    assert signed(None, "cw")["sr"] == "c"


def test_an_expiry_in_another_time_zone_is_the_same_moment() -> None:
    assert signed("a", "r", LATER.astimezone(timezone(timedelta(hours=9))))["se"] == "2026-05-01T14:00:00Z"


def test_a_link_over_tls_refuses_plain_http() -> None:
    assert signed("a", "r")["spr"] == "https"
    assert "spr" not in signed("a", "r", encrypted=False)


@pytest.mark.parametrize("name", ["a b", "a#b?c%20d", "é/ü", "-x", "$(touch y)", "a'b\"c", "{x}", "a+b&c", "line\nend"])
def test_any_blob_name_survives_in_the_path_of_a_link(name: str) -> None:
    request = check_request("box", name, "r", LATER, NOW)
    assert unquote(urlsplit(request.url(ENDPOINT, "sig=x")).path) == f"/box/{name}"


@pytest.mark.parametrize(
    ("blob", "permission", "expiry", "complaint"),
    [
        ("a", "", LATER, "permission"),
        ("a", "q", LATER, "'q'"),
        ("a", "rl", LATER, "'rl'"),
        ("a", "r", LATER.replace(tzinfo=None), "time zone"),
        ("a", "r", NOW, "in the past"),
        ("", "r", LATER, "name of the blob"),
    ],
)
def test_a_senseless_link_is_refused(blob: str, permission: str, expiry: datetime, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        check_request("box", blob, permission, expiry, NOW)


@pytest.mark.parametrize("token", [ACCOUNT_SAS, CONTAINER_SAS])
def test_a_given_sas_that_suffices_is_passed_on(token: str) -> None:
    request = check_request("box", "a", "r", LATER, NOW)
    assert request.url(ENDPOINT, read_sas(token).pass_on(request)) == f"{ENDPOINT}/box/a?{token}"


def test_a_sas_with_a_stored_policy_is_passed_on_unread() -> None:
    token = "sv=2024-11-04&sr=c&si=policy&sig=hidden"
    assert read_sas(token).pass_on(check_request("box", "a", "r", LATER, NOW)) == token


@pytest.mark.parametrize(
    ("token", "permission", "days", "complaint"),
    [
        (CONTAINER_SAS, "cw", 0, "does not permit 'cw'"),
        (CONTAINER_SAS, "r", 3, "ends at 2026-05-02 00:00 UTC, before"),
        (BLOB_SAS, "r", 0, "does not reach all blobs"),
        (ACCOUNT_SAS.replace("srt=co", "srt=sc"), "r", 0, "does not reach all blobs"),
        (ACCOUNT_SAS.replace("srt=co", "srt=o"), "l", 0, "does not reach all blobs"),
    ],
)
def test_a_given_sas_that_falls_short_is_refused(token: str, permission: str, days: int, complaint: str) -> None:
    request = check_request("box", None, permission, LATER + timedelta(days=days), NOW)
    with pytest.raises(CredentialError, match=complaint) as refused:
        read_sas(token).pass_on(request)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    "token",
    [
        "hidden",
        "sv=2024-11-04&sp=r",
        f"https://lab.blob.core.windows.net/?{ACCOUNT_SAS}",
        ACCOUNT_SAS.replace("ss=b", "ss=q"),
        ACCOUNT_SAS.replace("2026-05-02T00:00:00Z", "soon"),
        f"{ACCOUNT_SAS}&st=now",
    ],
)
def test_what_is_no_sas_for_blobs_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(ValueError, match="The SAS") as refused:
        read_sas(token)
    assert "hidden" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_the_repr_of_a_sas_hides_it() -> None:
    assert "hidden" not in repr(read_sas(ACCOUNT_SAS))
