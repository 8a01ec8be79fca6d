"""Check: this machine's clock against those of the services."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineResponse

from prefect_azure_batch.tasks.check_subject import Subject
from prefect_azure_batch.tasks.checks import Broken, CheckFinding
from prefect_azure_batch.tasks.errors import ServiceFailure

LARGEST_SKEW = timedelta(minutes=15)
"""Azure refuses requests that are signed at another time. Source: "Authorize with Shared Key", REST reference."""

# Services tell whole seconds, and answers take a while.
_NEAR_SECONDS = 5.0

Hook = Callable[[PipelineResponse[Any, Any]], None]


def check_clock(subject: Subject) -> CheckFinding:
    """Compares the clocks, by the time that each answer of a service tells, a refusal too.

    Raises:
        Broken: they are too far apart for any request to be accepted.
    """
    batch, storage = subject.account.get_client(), subject.account.storage.get_client()
    container = storage.get_container_client(subject.run_id)
    skews = {
        "Batch": _skew(lambda hook: next(iter(batch.list_pools(max_results=1, raw_response_hook=hook)), None)),
        "Storage": _skew(lambda hook: container.exists(raw_response_hook=hook)),
    }
    known = {service: skew for service, skew in skews.items() if skew is not None}
    if not known:
        return CheckFinding("clock", "skipped", "neither Batch nor Storage has answered")
    if complaint := complaint_about(known):
        raise Broken(complaint, "ClockSkew")
    return CheckFinding("clock", "ok", f"this machine's clock is {', '.join(described(known))}")


def complaint_about(skews: Mapping[str, timedelta]) -> str | None:
    """What is wrong with this machine's clock; None for nothing.

    Args:
        skews: by how much the clock of each service is ahead of this machine's.
    """
    if all(abs(skew) < LARGEST_SKEW for skew in skews.values()):
        return None
    return f"This machine's clock is {', '.join(described(skews))}."


def described(skews: Mapping[str, timedelta]) -> list[str]:
    """How this machine's clock stands to those of services, in words."""
    return [_described(service, skew) for service, skew in skews.items()]


def _described(service: str, skew: timedelta) -> str:
    seconds = abs(skew.total_seconds())
    if seconds < _NEAR_SECONDS:
        return f"within {_NEAR_SECONDS:.0f} s of {service}"
    return f"{seconds:.0f} s {'behind' if skew > timedelta() else 'ahead of'} {service}"


def _skew(ask: Callable[[Hook], object]) -> timedelta | None:
    """By how much a service's clock is ahead of ours; None if it has told no time."""
    skews: list[timedelta] = []

    def note(response: PipelineResponse[Any, Any]) -> None:
        told = response.http_response.headers.get("Date")
        if told:
            skews.append(parsedate_to_datetime(told) - datetime.now(UTC))

    with suppress(AzureError, ServiceFailure):  # whether it works is for other checks to say
        ask(note)
    return skews[-1] if skews else None
