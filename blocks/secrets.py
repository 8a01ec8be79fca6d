"""Secrets that a description names: Prefect Secret blocks."""

from prefect.blocks.system import Secret
from prefect.exceptions import ObjectNotFound

from prefect_azure_batch.blocks.errors import CredentialError


def read_secret(name: str) -> str:
    """What a Prefect Secret block holds.

    Raises:
        CredentialError: there is no such block.
    """
    try:
        block = Secret.load(name)
    except (ObjectNotFound, ValueError):
        raise CredentialError(
            f"There is no Prefect Secret block {name!r}, named by a key that ends in _secret: make it in Prefect."
        ) from None
    assert isinstance(block, Secret)
    return str(block.get())
