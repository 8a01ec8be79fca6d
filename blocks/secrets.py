"""Secrets that a description names: Prefect Secret blocks."""

from prefect.blocks.system import Secret
from prefect.exceptions import ObjectNotFound

from prefect_azure_batch.blocks.errors import CredentialError
from prefect_azure_batch.blocks.hiding import hide


def read_secret(name: str, named: str = "by a key that ends in _secret") -> str:
    """What a Prefect Secret block holds. What this process shows does not show it from then on.

    Args:
        name: of the block.
        named: what has named it.

    Raises:
        CredentialError: there is no such block.
    """
    try:
        block = Secret.load(name)
    except (ObjectNotFound, ValueError):
        raise CredentialError(
            f"There is no Prefect Secret block {name!r}, named {named}: make it in Prefect."
        ) from None
    assert isinstance(block, Secret)
    value = str(block.get())
    hide(value)
    return value
