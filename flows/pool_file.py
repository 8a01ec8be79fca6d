"""The description of a pool in a YAML file."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from prefect_azure_batch.blocks.pool_description import PoolDescription, first_complaint
from prefect_azure_batch.tasks.errors import BadInput


def read_pool_file(name: str) -> PoolDescription:
    """Reads what a pool shall be.

    Raises:
        BadInput: the file cannot be read, or a key of it cannot be so; the message names it.
    """
    try:
        content = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--pool-file: {name!r} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except yaml.YAMLError as error:
        raise BadInput(f"--pool-file: {name!r} is no YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise BadInput(f"--pool-file: {name!r} holds no keys, such as nodes: 4 (docs/pools.md lists them).")
    try:
        return PoolDescription.model_validate(content)
    except ValidationError as error:
        raise BadInput(f"--pool-file {name}: {first_complaint(error)}") from None
