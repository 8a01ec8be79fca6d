import pytest
from azure.storage.blob import BlobServiceClient
from hypothesis import given
from hypothesis import strategies as st

from prefect_azure_batch.blocks.connection_string import parse_connection_string

KEY = "aGlkZGVuIGtleQ=="
SAS = "sv=2024-11-04&ss=b&srt=co&sp=rl&sig=hidden"


def test_a_portal_string_gives_endpoint_name_and_key() -> None:
    found = parse_connection_string(
        f"DefaultEndpointsProtocol=https;AccountName=lab;AccountKey={KEY};EndpointSuffix=core.windows.net"
    )
    assert (found.blob_endpoint, found.account_name, found.account_key, found.sas_token) == (
        "https://lab.blob.core.windows.net", "lab", KEY, None,
    )  # fmt: skip


def test_https_and_the_public_cloud_are_the_defaults() -> None:
    assert parse_connection_string(f"AccountName=lab;AccountKey={KEY}").blob_endpoint == (
        "https://lab.blob.core.windows.net"
    )


def test_names_match_in_any_case_and_blanks_and_line_ends_are_dropped() -> None:
    found = parse_connection_string(f" accountname = lab ;\n ACCOUNTKEY={KEY};\n")
    assert (found.account_name, found.account_key) == ("lab", KEY)


def test_an_emulators_string_brings_its_own_endpoint() -> None:
    found = parse_connection_string(
        f"DefaultEndpointsProtocol=http;AccountName=lab;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/lab/;"
    )
    assert found.blob_endpoint == "http://127.0.0.1:1/lab"


def test_a_string_with_a_sas_names_the_account_by_its_endpoint() -> None:
    found = parse_connection_string(f"BlobEndpoint=https://lab.blob.core.windows.net/;SharedAccessSignature=?{SAS}")
    assert (found.account_name, found.account_key, found.sas_token) == ("lab", None, SAS)


def test_a_key_wins_over_a_sas() -> None:
    found = parse_connection_string(f"AccountName=lab;AccountKey={KEY};SharedAccessSignature={SAS}")
    assert (found.account_key, found.sas_token) == (KEY, None)


def test_the_sdk_reads_the_same() -> None:
    text = f"DefaultEndpointsProtocol=https;AccountName=lab;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn"
    ours = parse_connection_string(text)
    theirs = BlobServiceClient.from_connection_string(text)
    assert (ours.blob_endpoint + "/", ours.account_name) == (theirs.url, theirs.account_name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        (" ; ;", "is empty"),
        ("hidden", "Part 1 .* Name=Value"),
        (f"AccountName=lab;{KEY.rstrip('=')}", "Part 2 .* Name=Value"),
        ("UseDevelopmentStorage=true", "write out AccountName"),
        (f"AccountKey={KEY}", "neither AccountName nor BlobEndpoint"),
        (f"BlobEndpoint=https://x.example.com;AccountKey={KEY}", "no AccountName"),
        ("AccountName=lab", "neither AccountKey nor SharedAccessSignature"),
        (f"AccountName=lab;AccountKey={KEY};BlobEndpoint=lab", "must begin with https://"),
        (f"AccountName=lab;AccountKey={KEY};BlobEndpoint=https://lab?{SAS}", "holds a query"),
    ],
)
def test_a_bad_string_is_refused_in_one_line_without_secrets(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        parse_connection_string(text)
    message = str(refused.value)
    assert "hidden" not in message
    assert KEY not in message
    assert len(message.splitlines()) == 1


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse_connection_string(text)
    except ValueError as refused:
        assert len(str(refused).splitlines()) == 1  # noqa: PT017


def test_its_repr_shows_no_secret() -> None:
    shown = repr(parse_connection_string(f"AccountName=lab;AccountKey={KEY}"))
    assert "lab" in shown
    assert KEY not in shown
