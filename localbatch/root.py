"""The root directory of a service: taken by one process, and what it must remember from one start to the next."""

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localbatch.driver.layout import remove_tree

_LOCK = "lock"
_IDENTITY = "identity.json"
_CONNECTION = "connection.json"
_TEMPORARY_PREFIX = "localbatch-"


class RootError(Exception):
    """The root directory cannot be used; the message is one line that says why."""


@dataclass(frozen=True)
class Identity:
    """Names, keys and ports that clients hold, and which a restart therefore keeps."""

    account: str
    key: str = field(repr=False)
    storage_account: str
    storage_key: str = field(repr=False)
    batch_port: int = 0
    blob_port: int = 0


class RootDirectory:
    """A root directory held by this process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def blobs(self) -> Path:
        """Where Azurite keeps its blobs."""
        return self.path / "blobs"

    @property
    def connection_file(self) -> Path:
        """Holds the ready line as long as the service runs, for ``LOCALBATCH_CONNECTION``."""
        return self.path / _CONNECTION

    def read_identity(self) -> Identity | None:
        """Returns who this service was the last time, None on the first start.

        Raises:
            RootError: the file is damaged.
        """
        file = self.path / _IDENTITY
        try:
            return Identity(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError):
            # From None: the cause would carry keys.
            raise RootError(f"{file} is damaged: remove it, and new keys will be made") from None

    def write_identity(self, identity: Identity) -> None:
        """Remembers who this service is, for the next start."""
        _write_secret(self.path / _IDENTITY, json.dumps(asdict(identity)))

    def write_connection(self, line: str) -> None:
        """Leaves the ready line where others find it."""
        _write_secret(self.connection_file, line)


@contextlib.contextmanager
def open_root(path: Path | None) -> Iterator[RootDirectory]:
    """Takes a root directory for this process alone.

    Args:
        path: made if it is not there, and kept; None makes a temporary one that is removed at the end.

    Raises:
        RootError: another process has it, or it cannot be made.
    """
    directory = _make_directory(path)
    try:
        with _held(directory):
            root = RootDirectory(directory)
            try:
                yield root
            finally:
                root.connection_file.unlink(missing_ok=True)
    finally:
        if path is None:
            remove_tree(directory)


def _make_directory(path: Path | None) -> Path:
    try:
        if path is None:
            return Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX)).resolve()
        path.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        return path.resolve()
    except OSError as error:
        raise RootError(f"cannot make the root directory {path or tempfile.gettempdir()}: {error.strerror}") from error


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[None]:
    try:
        handle = (directory / _LOCK).open("a+")
    except OSError as error:
        raise RootError(f"cannot write in the root directory {directory}: {error.strerror}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            raise RootError(f"the root directory {directory} is in use by process {handle.read().strip()}") from None
        handle.truncate(0)
        print(os.getpid(), file=handle, flush=True)
        yield


def _write_secret(file: Path, text: str) -> None:
    # Written whole and renamed, so that a stop in between leaves the former text.
    draft = file.with_name(f"{file.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(f"{text}\n")
    draft.replace(file)
