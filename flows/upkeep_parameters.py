"""What upkeep can be asked for."""

from pydantic import ConfigDict, Field, field_validator

from prefect_azure_batch.blocks.containers import check_container_name
from prefect_azure_batch.flows.asked import Asked


class UpkeepParameters(Asked):
    """Finds what runs have made and not deleted: pools, jobs, stored work."""

    model_config = ConfigDict(title="Upkeep")

    account: str | None = Field(
        default=None,
        min_length=1,
        title="Account",
        description="Name of an Azure Batch account block. Not given: the local Azure that runs.",
    )
    work_container: str | None = Field(
        default=None,
        title="Work container",
        description="Container of stored work. Not given: the one that the storage block names, batch-work.",
    )
    delete: bool = Field(
        default=False,
        title="Delete",
        description="Deletes what is over. Otherwise it is shown, and nothing is changed.",
    )

    @field_validator("work_container")
    @classmethod
    def _work_container_has_a_name(cls, name: str | None) -> str | None:
        return check_container_name(name) if name else None
