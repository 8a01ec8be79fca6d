"""What a run would do: shown instead of done."""

import json
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import BaseModel

from prefect_azure_batch.tasks.cost import EstimateDocument
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.findings import REFUSED, Finding
from prefect_azure_batch.tasks.requests import JsonObject

Service = Literal["Batch", "Storage", "Resource Manager"]


class PlannedCall(BaseModel):
    """A request that a run would make.

    Attributes:
        path: below the address of the service; it may hold ``{...}`` for what differs from call to call.
        body: JSON; None for none. Secrets in it are hidden.
        times: how often it is made; None if that depends on how long the run takes.
        note: what it is for, or when it is made.
    """

    service: Service
    method: str
    path: str
    body: JsonObject | None = None
    times: int | None = 1
    note: str = ""

    def text(self) -> Iterator[str]:
        """What a person reads."""
        times = "" if self.times in (1, None) else f"{self.times} times; "
        note = f"   {times}{self.note}".rstrip("; ")
        yield f"{self.service} {self.method} {self.path}{note}"
        if self.body is not None:
            yield from ("    " + line for line in json.dumps(self.body, indent=2, ensure_ascii=False).splitlines())


class PlannedInputs(BaseModel):
    """What a run would find of its inputs.

    Attributes:
        done: have been done already, and would be restored.
        elsewhere: another run has done or is doing; would be waited for, or be taken up if that run has died.
        ours: would be run.
    """

    total: int
    done: int
    elsewhere: int
    ours: int


class PlannedUploads(BaseModel):
    """What a run would send.

    Attributes:
        there: files that are in storage already.
    """

    files: int
    bytes: int
    there: int


class Plan(BaseModel):
    """What a run would do. Nothing has been made for it.

    Attributes:
        kind: ``map`` or ``MPI``.
        account: address of the Batch account.
        findings: what was looked at, and what was seen.
        cost: what its VMs can cost; None if there can be no such run.
        calls: the requests that would change something, in their order. Ids are of this plan; a run has its own.
    """

    kind: str
    account: str
    inputs: PlannedInputs
    uploads: PlannedUploads
    findings: list[Finding]
    cost: EstimateDocument | None = None
    calls: list[PlannedCall]

    title: ClassVar[str] = "Nothing has been made."

    @property
    def refusals(self) -> list[Finding]:
        """Why the run cannot be; empty if it can."""
        return [finding for finding in self.findings if finding.state == REFUSED]

    def json_lines(self) -> Iterator[str]:
        """The JSON document of the plan."""
        yield self.model_dump_json(indent=2)

    def text(self) -> Iterator[str]:
        """What a person reads."""
        yield from self.summary()
        for number, call in enumerate(self.calls, start=1):
            yield ""
            first, *rest = call.text()
            yield f"{number}. {first}"
            yield from rest
        yield f"\n{self.title}"

    def summary(self) -> Iterator[str]:
        """The plan without its requests."""
        found = self.inputs
        yield f"Plan of a run ({self.kind}) on {self.account}"
        yield (
            f"{'inputs':<9}{'':<10}{found.total}: {found.done} done already, {found.elsewhere} with another run, "
            f"{found.ours} to run"
        )
        sent = self.uploads
        yield f"{'uploads':<9}{'':<10}{sent.files} files of {sent.bytes:,} bytes; {sent.there} are in storage already"
        for finding in self.findings:
            yield f"{finding.what:<9}{finding.state:<10}{finding.text}"


class PlanRefused(BadInput):
    """A run cannot be as it was asked for. ``plan`` says what it would have been otherwise."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("; ".join(f"{finding.what}: {finding.text}" for finding in plan.refusals))
        self.plan = plan

    @property
    def beside_result(self) -> str:
        """What there is to say of it to somebody who has just read the plan."""
        return f"the run cannot be as it was asked for ({', '.join(each.what for each in self.plan.refusals)})."

    def __reduce__(self) -> tuple[Any, ...]:
        """Elsewhere it is the same."""
        return PlanRefused, (self.plan,)
