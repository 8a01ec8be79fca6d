"""Which account a host names."""

import pytest

from localbatch.service.authentication import account_of_host


@pytest.mark.parametrize(
    ("host", "account"),
    [
        ("lab.localhost:8080", "lab"),
        ("LAB.localhost", "lab"),
        ("lab.westeurope.batch.azure.com", "lab"),
        ("lab.westeurope.localhost:80", "lab"),
        ("localhost", None),
        ("localhost:8080", None),
        ("127.0.0.1:8080", None),
        ("[::1]:8080", None),
        ("batch", None),
        ("batch.internal:80", None),
        ("ab.localhost", None),
        ("", None),
    ],
)
def test_a_host_names_an_account_as_on_azure(host: str, account: str | None) -> None:
    assert account_of_host(host) == account
