"""How long nodes and pools were there, as it is remembered when they are gone."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LifetimeRecord:
    """How long a node that is gone was allocated; with no cores, how long a pool existed."""

    seq: int
    account: str
    pool_id: str
    vm_size: str
    cores: int
    started: datetime
    ended: datetime
    dedicated: bool = False
