"""The check flow: says step by step what works of an account, and what to do about what does not.

python -m flows.check_flow --account lab             all of it, with one task on a node of its own
python -m flows.check_flow --account lab --no-run    without that
"""

import sys

if __name__ == "__main__":  # first of all, so that bad arguments are told before the seconds Prefect takes to import
    from prefect_azure_batch.flows.commands import run_check_flow

    sys.exit(run_check_flow())

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from prefect import flow

from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.flows.artifacts import publish_findings
from prefect_azure_batch.flows.cancelling import say_cancelled
from prefect_azure_batch.flows.check_parameters import CheckParameters
from prefect_azure_batch.flows.check_result import CheckResult, ChecksFailed
from prefect_azure_batch.flows.form_words import Form, naming_fields
from prefect_azure_batch.flows.hooks import clean_up_after
from prefect_azure_batch.flows.pools import with_pool_block
from prefect_azure_batch.flows.progress import show_status
from prefect_azure_batch.flows.runs import new_run_id
from prefect_azure_batch.flows.telling import telling_prefect
from prefect_azure_batch.flows.trial import RUN_NAME, run_one_task
from prefect_azure_batch.tasks.account_names import Names, names_of
from prefect_azure_batch.tasks.advice import Problem, advise
from prefect_azure_batch.tasks.batch_checks import check_batch, check_block, check_image, check_jobs, check_pools
from prefect_azure_batch.tasks.check_subject import Subject
from prefect_azure_batch.tasks.checks import Check, CheckFinding, findings
from prefect_azure_batch.tasks.clock_check import check_clock
from prefect_azure_batch.tasks.errors import BatchFlowError
from prefect_azure_batch.tasks.management_checks import check_management, check_quotas
from prefect_azure_batch.tasks.storage_checks import check_blobs, check_delegation, check_links, check_storage

_logger = logging.getLogger(__name__)

CHECKS: Sequence[Check[Subject]] = (
    Check("block", check_block),
    Check("clock", check_clock),
    Check("batch", check_batch, ("clock",)),
    Check("storage", check_storage, ("clock",)),
    Check("blobs", check_blobs, ("storage",)),
    Check("delegation", check_delegation, ("storage",)),
    Check("links", check_links, ("blobs", "delegation")),
    Check("management", check_management, ("clock",)),
    Check("image", check_image, ("batch",)),
    Check("quotas", check_quotas, ("management", "image")),
    Check("jobs", check_jobs, ("batch",)),
    Check("pools", check_pools, ("image",)),
)
"""From what all else needs to what needs all else. None of them costs anything."""


@flow(
    name="azure-batch-check",
    flow_run_name="check",
    persist_result=False,
    on_crashed=[clean_up_after],
    on_cancellation=[clean_up_after, say_cancelled],
)
@naming_fields
def check_flow(run: Form[CheckParameters] = CheckParameters()) -> CheckResult:  # noqa: B008 - Prefect shows it in its form
    """Says step by step what works of an account: credentials, clock, storage, roles, quotas, image, one task.

    Args:
        run: which account, and what pool is tried.

    Returns:
        What was found; all is well.

    Raises:
        BadInput: there is no such account or pool block.
        ChecksFailed: something does not work; the error holds the whole result.
    """
    run = with_pool_block(run)
    with open_account(run.account) as account:
        names = names_of(account, datetime.now(UTC))
        subject = Subject(account, new_run_id(RUN_NAME), run.pool_description)
        with show_status("Checking ...") as show:
            made = findings((*CHECKS, _last(run)), partial(_make, subject=subject, names=names, show=show))
            result = CheckResult(account=names.batch, storage_account=names.storage, findings=list(made))
    with telling_prefect("the findings"):
        publish_findings(result, "batch-check")
    if result.failed:
        raise ChecksFailed(result)
    return result


def _last(run: CheckParameters) -> Check[Subject]:
    """The last check, for which a VM is paid."""
    if run.no_run:
        return Check("run", lambda subject: CheckFinding("run", "skipped", "left out, as was asked for"))
    return Check("run", partial(run_one_task, time_limit=run.time_limit), ("links", "quotas", "jobs", "pools"))


def _make(check: Check[Subject], subject: Subject, names: Names, show: Callable[[str], None]) -> CheckFinding:
    """Makes a check; it has failed if it raises."""
    show(f"Checking: {check.name} ...")
    try:
        found = check.look(subject)
        found = replace(found, command=found.command.format(**vars(names)))
    except BatchFlowError as error:
        found = advise(check.name, Problem.of(error), names)
    _logger.info("%s: %s, %s", found.name, found.state, found.seen)
    return found
