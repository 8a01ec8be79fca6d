"""Requests as a plan shows them: all that is sent, but for what opens a door."""

import re
from typing import Any, TypeAlias

from prefect_azure_batch.tasks.web_links import has_query, is_sas, without_query

JsonObject: TypeAlias = dict[str, Any]

HIDDEN = "(hidden)"
# Keys of a pool whose values are secrets. Source: azure.batch.models, API version 2025-06-01.
_SECRET_KEYS = {"password", "accountKey", "sasKey", "sshPrivateKey", "accountPassword"}
_SIGNATURE = re.compile(r"(?<=[?&]sig=)[^&]+")


def without_secrets(body: Any) -> Any:
    """The same request with its passwords, keys and signatures of links hidden.

    Args:
        body: JSON.
    """
    match body:
        case dict():
            return {
                key: HIDDEN if key in _SECRET_KEYS and value else without_secrets(value) for key, value in body.items()
            }
        case list():
            return [without_secrets(each) for each in body]
        case str() if has_query(body) and not is_sas(body):
            return f"{without_query(body)}?{HIDDEN}"  # what it holds nobody knows but who has given the link
        case str():
            return _SIGNATURE.sub(HIDDEN, body)
        case _:
            return body
