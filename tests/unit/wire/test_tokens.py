"""Bearer tokens: made, and refused for each reason there is."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest

from localbatch.credentials import LocalCredential
from localbatch.wire.tokens import (
    BATCH_AUDIENCE,
    MANAGEMENT_AUDIENCES,
    TokenError,
    audience_of,
    check_token,
    make_token,
)

KEY = b"k" * 32
HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def refusal(token: str, key: bytes = KEY) -> str:
    with pytest.raises(TokenError) as caught:
        check_token(token, key, [BATCH_AUDIENCE])
    return str(caught.value)


@pytest.mark.parametrize(
    "scope", ["https://batch.core.windows.net//.default", "https://batch.core.windows.net/.default"]
)
def test_a_token_for_a_scope_of_batch_is_accepted(scope: str) -> None:
    check_token(make_token(KEY, audience_of(scope), now()), KEY, [BATCH_AUDIENCE])


def test_a_credential_tells_when_its_token_ends() -> None:
    token = LocalCredential(KEY).get_token("https://management.azure.com/.default")
    check_token(token.token, KEY, MANAGEMENT_AUDIENCES)
    assert 3500 < token.expires_on - now().timestamp() <= 3600


def test_an_expired_token_is_refused() -> None:
    assert "expired" in refusal(make_token(KEY, BATCH_AUDIENCE, now() - 2 * HOUR))


def test_a_token_of_the_future_is_refused() -> None:
    assert "not valid yet" in refusal(make_token(KEY, BATCH_AUDIENCE, now() + HOUR))


def test_a_token_for_another_service_is_refused() -> None:
    assert "wrong audience" in refusal(make_token(KEY, MANAGEMENT_AUDIENCES[0], now()))


def test_a_token_signed_by_somebody_else_is_refused() -> None:
    assert "signature" in refusal(make_token(b"x" * 32, BATCH_AUDIENCE, now()))


def test_a_token_without_a_signature_is_refused() -> None:
    claims = jwt.decode(make_token(KEY, BATCH_AUDIENCE, now()), options={"verify_signature": False})
    assert "invalid" in refusal(jwt.encode(claims, "", "none"))


@pytest.mark.parametrize("lost", ["exp", "nbf", "aud", "iss"])
def test_a_token_that_lacks_a_claim_is_refused(lost: str) -> None:
    claims = jwt.decode(make_token(KEY, BATCH_AUDIENCE, now()), options={"verify_signature": False})
    del claims[lost]
    assert "lacks a claim" in refusal(jwt.encode(claims, KEY, "HS256"))


def test_a_token_of_another_issuer_is_refused() -> None:
    claims = jwt.decode(make_token(KEY, BATCH_AUDIENCE, now()), options={"verify_signature": False})
    assert "issuer" in refusal(jwt.encode({**claims, "iss": "https://sts.windows.net/other/"}, KEY, "HS256"))


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "AAAA", "..", "\x00"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refusal(token) == "The access token is invalid."
