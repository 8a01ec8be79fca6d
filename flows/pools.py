"""The pool that a run is asked to have, when a block says what it shall be."""

import logging
import os
from typing import TypeVar, cast

from pydantic import ValidationError

from prefect_azure_batch.blocks.pool_description import first_complaint
from prefect_azure_batch.flows.check_parameters import CheckParameters
from prefect_azure_batch.flows.parameters import RunParameters
from prefect_azure_batch.flows.saved_blocks import load_block
from prefect_azure_batch.tasks.errors import BadInput

_MANY_LOCAL_NODES = 64

_logger = logging.getLogger(__name__)

_Asked = TypeVar("_Asked", bound=RunParameters | CheckParameters)


def with_pool_block(asked: _Asked) -> _Asked:
    """What a run is asked for, with what its pool block says in the place of the block's name.

    Raises:
        BadInput: there is no such block, or such a run cannot use its pool.
    """
    if asked.pool_block is None:
        return asked
    from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool

    block = load_block(AzureBatchPool, asked.pool_block, "--pool-block", "Azure Batch Pool")
    given = {name: getattr(asked, name) for name in asked.model_fields_set}
    try:
        return cast(_Asked, type(asked).model_validate(given | {"pool_block": None, "new_pool": block.pool}))
    except ValidationError as error:
        raise BadInput(f"--pool-block {asked.pool_block}: {first_complaint(error)}") from None


def warn_of_size(asked: RunParameters) -> None:
    """Tells of a pool that is large for one machine, which has all its nodes where the Azure is a local one."""
    description = asked.pool_description
    if asked.account is None and description.existing is None and description.size > _MANY_LOCAL_NODES:
        _logger.warning(
            "The pool asks for %d nodes, and a local Azure has them all on this machine: set nodes to a few, as many "
            "as it has processors (%d).",
            description.size,
            os.cpu_count() or 1,
        )
