"""Blocks that Prefect has saved: its form checks nothing, so what is wrong with one is told when it is used."""

from typing import TypeVar

from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from prefect_azure_batch.blocks.pool_description import first_complaint
from prefect_azure_batch.tasks.errors import BadInput

_Block = TypeVar("_Block", bound=Block)


def load_block(kind: type[_Block], name: str, option: str, what: str) -> _Block:
    """A block that was saved.

    Args:
        kind: its class.
        name: under which it was saved.
        option: that has named it.
        what: it is, in words.

    Raises:
        BadInput: there is none of that name, or one of its fields cannot be; the message holds no secret.
    """
    try:
        block = kind.load(name)
    except (ValueError, ObjectNotFound):
        raise BadInput(
            f"{option}: there is no {what} block named {name!r}: make one in the Prefect UI under Blocks."
        ) from None
    except RuntimeError as error:  # of Prefect, with what pydantic says as its cause
        if not isinstance(error.__cause__, ValidationError):
            raise
        raise BadInput(
            f"{option}: the {what} block {name!r} cannot be used: {first_complaint(error.__cause__, shows_value=False)}"
        ) from None
    assert isinstance(block, kind)
    return block
