"""What is found of a run before it begins: what speaks for it, what against, and what nobody can tell."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prefect_azure_batch.tasks.errors import BadInput

State: TypeAlias = Literal["fine", "doubtful", "refused", "unknown"]
FINE: State = "fine"
DOUBTFUL: State = "doubtful"
REFUSED: State = "refused"
UNKNOWN: State = "unknown"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finding:
    """Something that was looked at.

    Attributes:
        what: it is about, in a word.
        state: ``fine``, ``doubtful`` (the run goes on), ``refused`` (it cannot), or ``unknown``.
        text: what was seen, and what to do about it.
    """

    what: str
    state: State
    text: str


def require_possible(findings: Iterable[Finding]) -> None:
    """Tells what is doubtful, and refuses what cannot be.

    Raises:
        BadInput: the first that is refused.
    """
    for finding in findings:
        if finding.state == REFUSED:
            raise BadInput(f"{finding.what}: {finding.text}")
        if finding.state == DOUBTFUL:
            _logger.warning("%s: %s", finding.what, finding.text)
