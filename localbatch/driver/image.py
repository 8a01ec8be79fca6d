"""What nodes have that this machine need not have, as a virtual machine has it from its image."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class NodeImage:
    """What is installed on all nodes, beyond what this machine has.

    Attributes:
        programs: directories that stand on PATH before those of this machine.
        variables: such as LD_LIBRARY_PATH; the user may replace them.
    """

    programs: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def path(self) -> str:
        """Returns the PATH of commands."""
        return os.pathsep.join([*map(str, self.programs), os.environ.get("PATH", os.defpath)])
