"""What a check of an account finds, and the order in which checks are made.

A check that needs another one which has failed is not made: it could only say the same again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from prefect_azure_batch.tasks.errors import BatchFlowError

State = Literal["ok", "failed", "skipped"]

_Subject = TypeVar("_Subject")


@dataclass(frozen=True)
class CheckFinding:
    """What one check has found.

    Attributes:
        name: of the check.
        state: whether it works; ``skipped`` if that was not looked at.
        seen: what was seen, on one line.
        advice: what to do about it; empty if there is nothing to do.
        command: the command that mends it, or shows what is needed to mend it; empty if there is none.
    """

    name: str
    state: State
    seen: str
    advice: str = ""
    command: str = ""


class Broken(BatchFlowError):
    """Azure has answered, and what it has answered will not do.

    Attributes:
        code: names the case, as error codes of Azure do.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Check(Generic[_Subject]):
    """One check of an account.

    Attributes:
        name: one or two words.
        look: finds out; what it raises is the finding that it does not work.
        needs: names of checks before it without which it makes no sense.
    """

    name: str
    look: Callable[[_Subject], CheckFinding]
    needs: tuple[str, ...] = ()


def findings(
    checks: Sequence[Check[_Subject]], make: Callable[[Check[_Subject]], CheckFinding]
) -> Iterator[CheckFinding]:
    """Makes checks one after the other.

    Args:
        checks: in their order.
        make: makes one of them.
    """
    spoiled: set[str] = set()
    for check in checks:
        lacking = [name for name in check.needs if name in spoiled]
        if lacking:
            found = CheckFinding(check.name, "skipped", f"not looked at: it needs {' and '.join(lacking)}")
        else:
            found = make(check)
        if lacking or found.state == "failed":
            spoiled.add(check.name)
        yield found
