"""Directory trees removed, whatever is in them."""

import contextlib
import os
import secrets
import shutil
import stat
from pathlib import Path

# So many directories of the longest names still make a path that the system allows.
_DEPTH = 8


def remove_tree(path: Path) -> None:
    """Removes a directory and all below it, however deep, directories without write permission too.

    Nothing there is fine. Of a link in its place, the link goes.
    """
    if path.is_symlink():
        path.unlink()
    while path.exists():
        try:
            _flatten(path)
            shutil.rmtree(path)
        except FileNotFoundError:
            continue  # something else removes files here as well


def _flatten(path: Path) -> None:
    """Opens all directories below one, and moves those deep down up into it, for rmtree recurses."""
    pending = [(path, 0)]
    while pending:
        directory, depth = pending.pop()
        # A directory of another user is left to rmtree, which can remove it if it is empty.
        with contextlib.suppress(PermissionError):
            directory.chmod(stat.S_IRWXU)
            if depth > _DEPTH:
                directory, depth = directory.rename(path / secrets.token_hex(16)), 1
            with os.scandir(directory) as entries:
                pending += [(Path(entry), depth + 1) for entry in entries if entry.is_dir(follow_symlinks=False)]
