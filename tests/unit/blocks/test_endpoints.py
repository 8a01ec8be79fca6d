import pytest

from prefect_azure_batch.blocks.endpoints import (
    batch_account_in,
    batch_region_in,
    check_endpoint,
    is_encrypted,
    is_local,
    storage_account_in,
)


@pytest.mark.parametrize("text", ["https://lab.blob.core.windows.net/", " https://lab.blob.core.windows.net\n"])
def test_blanks_and_a_slash_at_the_end_are_dropped(text: str) -> None:
    assert check_endpoint(text, "account_url") == "https://lab.blob.core.windows.net"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must begin with https://"),
        ("lab", "must begin with https://"),
        ("lab.blob.core.windows.net", "must begin with https://"),
        ("ftp://lab", "must begin with https://"),
        ("https://", "names no host"),
        ("https://a b", "names no host"),
        ("https://[::1", "not an address"),
        ("https://lab:70000", "not an address"),
        ("https://lab?sv=1&sig=hidden", "holds a query"),
        ("https://lab/#hidden", "holds a query"),
        ("https://me:hidden@lab", "user name or password"),
        ("https://me:hidden@lab:x", "not an address"),
    ],
)
def test_a_bad_endpoint_is_refused_in_one_line_without_secrets(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        check_endpoint(text, "endpoint")
    assert "hidden" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://lab.blob.core.windows.net", "lab"),
        ("https://lab-secondary.blob.core.windows.net", "lab"),
        ("https://lab.z01.blob.storage.azure.net", "lab"),
        ("https://lab.privatelink.blob.core.usgovcloudapi.net", "lab"),
        ("http://127.0.0.1:10000/lab", "lab"),
        ("http://localhost:10000/lab", "lab"),
        ("http://azurite:10000/lab", "lab"),
        ("http://[::1]:10000/lab", "lab"),
        ("http://127.0.0.1:10000", None),
        ("https://data.example.com", None),
    ],
)
def test_the_storage_account_is_read_from_the_address(url: str, name: str | None) -> None:
    assert storage_account_in(url) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://lab.westeurope.batch.azure.com", "lab"),
        ("https://lab.usgovvirginia.batch.usgovcloudapi.net", "lab"),
        ("http://127.0.0.1:8080", None),
        ("https://batch.example.com", None),
    ],
)
def test_the_batch_account_is_read_from_the_address(url: str, name: str | None) -> None:
    assert batch_account_in(url) == name


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://lab.westeurope.batch.azure.com", "westeurope"),
        ("https://lab.chinaeast2.batch.chinacloudapi.cn", "chinaeast2"),
        ("http://127.0.0.1:8080", None),
        ("https://batch.example.com", None),
        ("https://lab.batch.example.com", None),
    ],
)
def test_the_region_is_read_from_the_address_of_a_batch_account(url: str, region: str | None) -> None:
    assert batch_region_in(url) == region


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:1", True),
        ("http://127.8.8.8", True),
        ("http://localhost:1/x", True),
        ("http://[::1]:1", True),
        ("https://127.0.0.1:1", False),
        ("http://10.0.0.1", False),
        ("http://azurite:10000", False),
    ],
)
def test_plain_http_to_loopback_is_local(url: str, local: bool) -> None:
    assert is_local(url) is local


def test_only_https_is_encrypted() -> None:
    assert is_encrypted("https://lab")
    assert not is_encrypted("http://lab")
