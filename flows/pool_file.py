"""The description of a pool in a YAML file."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from prefect_azure_batch.blocks.pool_description import PoolDescription, first_complaint
from prefect_azure_batch.tasks.errors import BadInput


class _Loader(yaml.SafeLoader):
    """One that takes no key twice, and reads plain words as YAML 1.2 does: 010 is ten, 1:30 and yes are texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - so it is in the class above
        first: [(tag, form) for tag, form in known if tag.rpartition(":")[2] not in ("int", "bool", "timestamp")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Makes a mapping."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise yaml.YAMLError(f"the key {twice!r} stands there twice, line {node.start_mark.line + 1} and after")
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))


def read_pool_file(name: str) -> PoolDescription:
    """Reads what a pool shall be.

    Raises:
        BadInput: the file cannot be read, or a key of it cannot be so; the message names it.
    """
    try:
        content = yaml.load(Path(name).read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe one
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--pool-file: {name!r} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except yaml.YAMLError as error:
        raise BadInput(f"--pool-file: {name!r} cannot be read: {' '.join(str(error).split())}.") from None
    if not isinstance(content, dict):
        raise BadInput(f"--pool-file: {name!r} holds no keys, such as nodes: 4 (docs/pools.md lists them).")
    try:
        return PoolDescription.model_validate(content)
    except ValidationError as error:
        raise BadInput(f"--pool-file {name}: {first_complaint(error)}") from None
