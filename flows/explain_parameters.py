"""What an explanation can be asked for."""

from pydantic import ConfigDict, Field

from prefect_azure_batch.flows.asked import Asked


class ExplainParameters(Asked):
    """Says why a job does not go on, and why tasks of it failed."""

    model_config = ConfigDict(title="Explain")

    job: str | None = Field(
        default=None,
        min_length=1,
        title="Job",
        description="Id of the job, whoever has made it. Not given: those that are not over.",
    )
    account: str | None = Field(
        default=None,
        min_length=1,
        title="Account",
        description="Name of an Azure Batch account block. Not given: the local Azure that runs.",
    )
