"""Where the values of secret variables come from, as they are asked for."""

import re
from dataclasses import dataclass
from typing import Literal

from prefect_azure_batch.tasks.errors import BadInput

_VAULT = re.compile(
    r"https://[A-Za-z0-9-]{3,24}\.vault\.(azure\.net|azure\.cn|usgovcloudapi\.net)/secrets/[A-Za-z0-9-]{1,127}"
    r"(/[0-9a-f]{32})?/?"
)


@dataclass(frozen=True)
class SecretSource:
    """Where the value of a variable of tasks comes from. It never holds the value.

    Attributes:
        variable: its name.
        kind: a Prefect Secret block, or a secret of Azure Key Vault.
        name: of the block, or the address of the secret.
        identity: resource id of the identity of the nodes that may read it; empty where they have but one.
    """

    variable: str
    kind: Literal["prefect", "keyvault"]
    name: str
    identity: str = ""


def parse_source(variable: str, text: str, identity: str = "") -> SecretSource:
    """Reads where the value of a variable comes from.

    Args:
        variable: of the tasks.
        text: ``prefect:<block>`` or ``keyvault:https://<vault>.vault.azure.net/secrets/<name>``.
        identity: resource id of the identity of the nodes that may read it; empty where they have but one.

    Raises:
        BadInput: it is neither.
    """
    kind, _, name = text.partition(":")
    if kind == "prefect" and name:
        return SecretSource(variable, "prefect", name)
    if kind == "keyvault" and _VAULT.fullmatch(name):
        return SecretSource(variable, "keyvault", name.rstrip("/"), identity)
    # Not what was given: it may be the secret itself.
    raise BadInput(
        f"{variable} names no secret: its source is prefect:BLOCK, or keyvault:https://VAULT.vault.azure.net/secrets/NAME"
    )
