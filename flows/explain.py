"""The explain flow: says why a job does not go on, and why tasks of it failed; it changes nothing.

python -m flows.explain --account lab --job JOB     one job, whoever has made it
python -m flows.explain --account lab               all jobs that are not over
"""

import sys

if __name__ == "__main__":  # first of all, so that bad arguments are told before the seconds Prefect takes to import
    from prefect_azure_batch.flows.commands import run_explain

    sys.exit(run_explain())

from collections.abc import Iterator

from prefect import flow
from prefect.artifacts import create_table_artifact
from pydantic import BaseModel

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.flows.explain_parameters import ExplainParameters
from prefect_azure_batch.flows.form_words import Form, naming_fields
from prefect_azure_batch.flows.streams import printable
from prefect_azure_batch.flows.telling import telling_prefect
from prefect_azure_batch.tasks.errors import translated
from prefect_azure_batch.tasks.explain import Explanation, explain_job_task


class ExplainedJob(BaseModel):
    """A job, and what is the matter with it; nothing if all is well."""

    job: str
    reasons: list[Explanation]

    def text(self) -> Iterator[str]:
        """What a person reads."""
        yield f"Job {self.job}: {'' if self.reasons else 'nothing is the matter with it.'}".rstrip()
        for reason in self.reasons:
            number = f" ({reason.tasks} tasks)" if reason.tasks > 1 else ""
            yield f"  {reason.what}{number}: {printable(reason.about)}"
            yield f"      {printable(reason.text)}"


class ExplainResult(BaseModel):
    """What was found of each job."""

    jobs: list[ExplainedJob]

    def json_lines(self) -> Iterator[str]:
        """The JSON document of the result."""
        yield self.model_dump_json(indent=2)

    def text(self) -> Iterator[str]:
        """What a person reads at the end."""
        for job in self.jobs:
            yield from job.text()
        if not self.jobs:
            yield "No job goes on."


@flow(name="azure-batch-explain", flow_run_name="explain", persist_result=False)
@naming_fields
def explain(run: Form[ExplainParameters] = ExplainParameters()) -> ExplainResult:  # noqa: B008 - shown in Prefect's form
    """Says why a job does not go on, and why tasks of it failed.

    Args:
        run: which job, and where.

    Returns:
        What was found.

    Raises:
        BadInput: there is no such job.
    """
    with open_account(run.account) as account:
        names = [run.job] if run.job else _jobs_that_go_on(account)
        result = ExplainResult(
            jobs=[ExplainedJob(job=name, reasons=explain_job_task(account.get_client(), name)) for name in names]
        )
    rows = [
        {"job": job.job, "what": reason.what, "about": reason.about, "tasks": reason.tasks or None, "why": reason.text}
        for job in result.jobs
        for reason in job.reasons
    ]
    with telling_prefect("what was found"):
        create_table_artifact(rows, key="batch-explain", description=f"{len(rows)} reasons in {len(names)} jobs")
    return result


def _jobs_that_go_on(account: AzureBatchAccount) -> list[str]:
    with translated("list the jobs of the Batch account"):
        return [job.id for job in account.get_client().list_jobs(filter="state ne 'completed'", select=["id"])]
