"""The root directory of a service: taken by one process, and what it must remember from one start to the next."""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from localbatch.store.removal import remove_tree
from localbatch.wire.connection import PAGE_FILE, TOKEN_KEY_FILE

_logger = logging.getLogger(__name__)

_LOCK = "lock"
_IDENTITY = "identity.json"
_CONNECTION = "connection.json"
_CLOCK = "clock.json"
_TEMPORARY_PREFIX = "localbatch-"
_TOKEN_KEY_BYTES = 32
_LEFTOVER_SECONDS = 30.0
_LOOK_AGAIN_SECONDS = 0.05


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
    """A root directory held by this process.

    Attributes:
        path: the directory.
        lock: file descriptor that holds it. A child that inherits it goes on holding the directory, so that the next
            service waits until the last child of a killed one has ended.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock

    def private_directory(self, name: str) -> Path:
        """Makes a directory that its owner alone may enter, for the root itself may be open to others.

        Args:
            name: of the directory, which may be there.
        """
        directory = self.path / name
        directory.mkdir(exist_ok=True)
        directory.chmod(stat.S_IRWXU)
        return directory

    @property
    def connection_file(self) -> Path:
        """Holds the ready line as long as the service runs, for ``LOCALBATCH_CONNECTION``."""
        return self.path / _CONNECTION

    @property
    def page_file(self) -> Path:
        """Holds the link to the status page as long as the service runs, for its owner alone."""
        return self.path / PAGE_FILE

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

    def token_key(self) -> bytes:
        """Returns the key that bearer tokens are signed with; it is made on the first start.

        Raises:
            RootError: the file is damaged.
        """
        file = self.path / TOKEN_KEY_FILE
        try:
            return bytes.fromhex(file.read_text().strip())
        except FileNotFoundError:
            key = secrets.token_bytes(_TOKEN_KEY_BYTES)
        except ValueError:
            raise RootError(f"{file} is damaged: remove it, and a new key will be made") from None
        _write_secret(file, key.hex())
        return key

    def read_clock(self) -> dict[str, str | float]:
        """Returns what is to be known of a clock that ran faster than this machine's, nothing if none did.

        Raises:
            RootError: the file is damaged.
        """
        file = self.path / _CLOCK
        try:
            return dict(json.loads(file.read_text()))
        except FileNotFoundError:
            return {}
        except (TypeError, ValueError):
            raise RootError(f"{file} is damaged: remove it, and time goes on from that of this machine") from None

    def write_clock(self, described: Mapping[str, str | float]) -> None:
        """Remembers a clock that runs faster than this machine's, for the next start."""
        (self.path / _CLOCK).write_text(json.dumps(dict(described)))

    def write_connection(self, line: str) -> None:
        """Leaves the ready line where others find it."""
        _write_secret(self.connection_file, line)

    def write_page(self, link: str) -> None:
        """Leaves the link to the status page where its owner finds it."""
        _write_secret(self.page_file, link)


@contextlib.contextmanager
def open_root(path: Path | None, parent: str | None = None) -> Iterator[RootDirectory]:
    """Takes a root directory for this process alone.

    Args:
        path: made if it is not there, and kept; None makes a temporary one that is removed at the end.
        parent: where a temporary one is made; None is the usual place.

    Raises:
        RootError: another process has it, or it cannot be made.
    """
    directory = _make_directory(path, parent or tempfile.gettempdir())
    try:
        with _held(directory) as lock:
            root = RootDirectory(directory, lock)
            try:
                yield root
            finally:
                root.connection_file.unlink(missing_ok=True)
                root.page_file.unlink(missing_ok=True)
    finally:
        if path is None:
            _remove(directory)


def _remove(directory: Path) -> None:
    try:
        remove_tree(directory)
    except OSError as error:
        _logger.warning("Cannot delete %r (%s): it is left.", error.filename or str(directory), error.strerror)
        shutil.rmtree(directory, ignore_errors=True)  # the rest


def _make_directory(path: Path | None, parent: str) -> Path:
    try:
        if path is None:
            _remove_orphans(Path(parent))
            return Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX, dir=parent)).resolve()
        path.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
        return path.resolve()
    except OSError as error:
        raise RootError(f"cannot make the root directory {path or parent}: {error.strerror}") from error


def _remove_orphans(parent: Path) -> None:
    """Removes the temporary roots of services that were killed before they could do it themselves."""
    for lock in parent.glob(f"{_TEMPORARY_PREFIX}*/{_LOCK}"):
        # Others may remove the same one.
        with contextlib.suppress(OSError):
            # What another user has made there could be anything, such as a pipe on which we would wait for ever.
            if lock.parent.lstat().st_uid == os.geteuid():
                _remove_orphan(lock)


def _remove_orphan(lock: Path) -> None:
    with lock.open("r+") as handle:
        owner = handle.read().strip()
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # An empty file belongs to one that is just starting.
        if owner:
            remove_tree(lock.parent)


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[int]:
    try:
        lock = directory / _LOCK
        lock.touch(mode=stat.S_IRUSR | stat.S_IWUSR)  # who can read it could hold it
        handle = lock.open("a+")
    except OSError as error:
        raise RootError(f"cannot write in the root directory {directory}: {error.strerror}") from error
    with handle:
        _take(handle, directory)
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        yield handle.fileno()


def _take(handle: IO[str], directory: Path) -> None:
    deadline = time.monotonic() + _LEFTOVER_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            handle.seek(0)
            owner = handle.read().strip()
        # Once its owner is dead only children hold it, and they are about to end.
        if _is_running(owner) or time.monotonic() > deadline:
            raise RootError(f"the root directory {directory} is in use by process {owner}")
        time.sleep(_LOOK_AGAIN_SECONDS)


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError):
        return False
    with contextlib.suppress(OSError):
        # A zombie has ended; only its parent hasn't looked yet.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def _write_secret(file: Path, text: str) -> None:
    # Written whole and renamed, so that a stop in between leaves the former text.
    draft = file.with_name(f"{file.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(f"{text}\n")
    draft.replace(file)
