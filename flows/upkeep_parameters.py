"""What upkeep can be asked for."""

from pydantic import BaseModel, ConfigDict, Field


class UpkeepParameters(BaseModel):
    """Finds what runs have made and not deleted: pools, jobs, stored work."""

    model_config = ConfigDict(title="Upkeep", extra="forbid")

    account: str | None = Field(
        default=None,
        min_length=1,
        title="Account",
        description="Name of an Azure Batch account block. Not given: the local Azure that runs.",
    )
    delete: bool = Field(
        default=False,
        title="Delete",
        description="Deletes what is over. Otherwise it is shown, and nothing is changed.",
    )
