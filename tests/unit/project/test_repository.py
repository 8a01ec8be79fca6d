"""What is committed names no machine and no package registry, and the constraints hold versions alone."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Written in pieces, so that this file does not name what it looks for.
REGISTRIES = ("pypi." + "org", "pythonhosted." + "org", "registry.npmjs." + "org", "registry.yarnpkg." + "com")
HOMES = re.compile(
    "/" + r"(?:home|Users)/[a-z]\w*/|/" + r"root/(?!\.\.)\w|[A-Z]:\\+" + r"Users\\+\w|/" + r"opt/\w+/simple"
)
CONSTRAINT = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][A-Za-z0-9.!+]*")
LARGEST_BYTES = 2_000_000


def tracked() -> list[Path]:
    """Files that are committed, or would be with the next ``git add``; all files where there is no git."""
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(listing, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    names = [name for name in done.stdout.decode().split("\0") if name]
    return [path for path in (ROOT / name for name in names) if path.is_file()]


def texts() -> dict[str, str]:
    found = {}
    for path in tracked():
        body = path.read_bytes()
        if b"\0" not in body:
            found[path.relative_to(ROOT).as_posix()] = body.decode("utf-8")
    return found


def test_no_file_names_a_package_registry() -> None:
    assert [(name, host) for name, text in texts().items() for host in REGISTRIES if host in text] == []


def test_no_file_names_a_directory_of_a_developers_machine() -> None:
    assert [(name, hit.group()) for name, text in texts().items() if (hit := HOMES.search(text))] == []


def test_no_file_is_large() -> None:
    assert [path.name for path in tracked() if path.stat().st_size > LARGEST_BYTES] == []


def test_the_constraints_hold_names_and_versions_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert len(lines) > 50
    assert [line for line in lines if not CONSTRAINT.fullmatch(line)] == []
    names = [line.partition("==")[0] for line in lines]
    assert len(set(names)) == len(names)
    assert "prefect-azure-batch" not in names


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_every_link_between_pages_leads_to_a_file(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"({page.name})" not in index] == ["README.md"]
