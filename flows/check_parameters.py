"""What a check of an account can be asked for."""

from datetime import timedelta
from typing import Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from prefect_azure_batch.blocks.pool_description import DEFAULT_VM_SIZE, PoolDescription, first_complaint
from prefect_azure_batch.flows.asked import Asked


class CheckParameters(Asked):
    """Says step by step what works of an account."""

    model_config = ConfigDict(title="Check of an account")

    account: str | None = Field(
        default=None,
        min_length=1,
        title="Account",
        description="Name of an Azure Batch account block. Not given: a local Azure.",
    )
    no_run: bool = Field(
        default=False,
        title="No run",
        description="Leaves out the last step, one task on a node of its own, which alone costs something.",
    )
    vm_size: str | None = Field(
        default=None,
        min_length=1,
        title="VM size",
        description=f"Azure VM size of the node. Not given: {DEFAULT_VM_SIZE}.",
    )
    new_pool: PoolDescription | None = Field(
        default=None,
        title="New pool",
        description="A pool that you would have: it is tried with one node. docs/pools.md has all its keys.",
    )
    pool_block: str | None = Field(
        default=None,
        min_length=1,
        title="Pool block",
        description="Name of an Azure Batch Pool block that says the same.",
    )
    minutes: float = Field(
        default=30,
        ge=1,
        le=60 * 24,
        title="Minutes",
        description="How long the task may take with all that its node needs before. Default: 30.",
    )

    @property
    def pool_description(self) -> PoolDescription:
        """What the pool of the check shall be, but for its size; without what a pool block says.

        Raises:
            ValidationError: it does not go together.
        """
        return (self.new_pool or PoolDescription()).overridden({"vm_size": self.vm_size})

    @property
    def time_limit(self) -> timedelta:
        """How long the task and its node may take."""
        return timedelta(minutes=self.minutes)

    @model_validator(mode="after")
    def _pool_can_be(self) -> Self:
        if self.pool_block and self.new_pool:
            raise ValueError("--pool-block: it says what --pool-file says: give one of them")
        if self.new_pool and self.new_pool.existing:
            raise ValueError("--pool-file: the check makes a pool of its own: leave the key existing out")
        try:
            _ = self.pool_description
        except ValidationError as error:
            raise ValueError(f"--vm-size: {first_complaint(error).removeprefix('vm_size: ')}") from None
        return self
