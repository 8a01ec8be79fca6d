"""Paths of a node, as they are where its commands see its directory tree at another place than where it lies."""

import os
from dataclasses import dataclass
from pathlib import Path

_MOST_ROUNDS = 40


@dataclass(frozen=True)
class NodePaths:
    """The directory tree of one node.

    Attributes:
        root: where it lies.
        mount: where the node's commands see it, so that links they have made may lead there; None is the same place.
    """

    root: Path
    mount: Path | None = None

    def resolve(self, path: Path) -> Path:
        """Follows symbolic links as they lead on the node.

        Returns:
            A path without links; of a path that leads in a circle or to nowhere, as far as it goes.
        """
        found = path
        for _ in range(_MOST_ROUNDS):
            found = Path(os.path.realpath(found))
            if self.mount is None or not found.is_relative_to(self.mount):
                break
            found = self.root / found.relative_to(self.mount)
        return found
