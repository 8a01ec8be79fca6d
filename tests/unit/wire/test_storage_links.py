"""Links to a storage account by its name on Azure."""

import pytest

from localbatch.wire.storage_links import lead_home

HOME = "http://127.0.0.1:1/lab"


@pytest.mark.parametrize(
    ("link", "led"),
    [
        ("https://lab.blob.core.windows.net/c/a%20b.txt?sv=1&sig=x%2Fy", f"{HOME}/c/a%20b.txt?sv=1&sig=x%2Fy"),
        ("https://LAB.blob.core.windows.net:443/c?restype=container", f"{HOME}/c?restype=container"),
        ("http://lab.blob.core.windows.net", HOME),
    ],
)
def test_a_link_to_the_own_account_leads_to_its_blob_service(link: str, led: str) -> None:
    assert lead_home(link, "lab", HOME) == led


@pytest.mark.parametrize(
    "link",
    [
        "https://other.blob.core.windows.net/c/b",
        "https://lab.blob.core.windows.net.example.org/c/b",
        "https://lab.blob.core.windows.net:8443/c/b",
        "https://user@lab.blob.core.windows.net/c/b",
        "https://example.org/https://lab.blob.core.windows.net/c/b",
        "http://127.0.0.1:1/lab/c/b",
        "",
    ],
)
def test_any_other_link_is_left_alone(link: str) -> None:
    assert lead_home(link, "lab", HOME) == link
