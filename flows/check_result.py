"""What a check of an account gives back: one JSON document, and text for people."""

from collections.abc import Callable, Iterator

from pydantic import BaseModel

from prefect_azure_batch.tasks.checks import CheckFinding
from prefect_azure_batch.tasks.errors import BatchFlowError

_WORDS = {"ok": "ok", "failed": "FAILED", "skipped": "skipped"}


class CheckResult(BaseModel):
    """What was found, in the order of the checks.

    Attributes:
        account: name of the Batch account.
        storage_account: name of the storage account.
    """

    account: str
    storage_account: str
    findings: list[CheckFinding]

    @property
    def failed(self) -> list[str]:
        """Names of the checks that have failed."""
        return [found.name for found in self.findings if found.state == "failed"]

    def json_lines(self) -> Iterator[str]:
        """The JSON document of the result."""
        yield self.model_dump_json(indent=2)

    def text(self) -> Iterator[str]:
        """What a person reads: a line for each check, and what to do below."""
        yield f"Batch account {self.account}, storage account {self.storage_account}"
        for found in self.findings:
            yield f"{_WORDS[found.state]:<9}{found.name:<12}{found.seen}"
        for found in self.findings:
            if found.advice:
                yield from ("", f"{found.name}: {found.advice}", *([f"    {found.command}"] if found.command else []))
        counts = [f"{sum(found.state == state for found in self.findings)} {state}" for state in _WORDS]
        yield from ("", ", ".join(counts))


class ChecksFailed(BatchFlowError):
    """Something of an account does not work. ``result`` is what the flow would have returned otherwise."""

    def __init__(self, result: CheckResult) -> None:
        names = ", ".join(result.failed)
        super().__init__(f"the account {result.account} cannot be used as it is: {names} failed.")
        self.result = result

    def __reduce__(self) -> tuple[Callable[[CheckResult], "ChecksFailed"], tuple[CheckResult]]:
        """Elsewhere it is the same."""
        return type(self), (self.result,)
