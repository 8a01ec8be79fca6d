"""``python docs/site/build.py DIRECTORY``: makes the site of docs/, without network, and fails at the first warning.

The pages are those that people read in the repository. What lies outside docs/ has a place of its own on the site, to
which links lead: the front page, a few further pages, and any other file as it is. The menu is docs/README.md: its
headings, and below each the pages that its table names first.
"""

import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = Path(__file__).with_name("mkdocs.yml")
INDEX = "docs/README.md"
FRONT = "README.md"
_LIMIT_SECONDS = 120
_OUTSIDE = {
    FRONT: "index.md",
    INDEX: "pages.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples/mpi/README.md": "mpi-example.md",
}
"""Pages that lie outside docs/, or that a site wants to be called otherwise, and what they are called there."""
_SHOWN_BY_BROWSERS = {".png", ".svg", ".html", ".txt"}
_LINK = re.compile(r"\[(?P<words>[^\[\]]*)\]\((?!\w+:|#)(?P<path>[^)#\s]+)")
_FENCE = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

Menu = list[Any]
"""What mkdocs calls ``nav``: pages, or titles with what lies below them."""


class SiteError(Exception):
    """The site cannot be made; says which page is to be mended, and how."""


@dataclass(frozen=True)
class Pages:
    """What the site is made of.

    Attributes:
        root: directory of the project.
        places: paths of pages there, and where the site has them.
    """

    root: Path
    places: dict[str, str]

    @classmethod
    def of(cls, root: Path) -> Self:
        """All pages of a project."""
        docs = [path.relative_to(root).as_posix() for path in sorted((root / "docs").rglob("*.md"))]
        outside = {path: place for path, place in _OUTSIDE.items() if (root / path).is_file()}
        return cls(root, {path: path.removeprefix("docs/") for path in docs} | outside)

    def text(self, page: str) -> str:
        """What stands on a page, in Markdown."""
        return (self.root / page).read_text(encoding="utf-8")

    def title(self, page: str) -> str:
        """The first line of a page."""
        return self.text(page).partition("\n")[0].removeprefix("# ")

    def target(self, page: str, link: str) -> str:
        """What a link of a page leads to, as a path of the project; of a directory, its README."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link))
        return f"{path}/README.md" if (self.root / path).is_dir() else path


def build_site(target: Path, root: Path = ROOT) -> None:
    """Makes the site.

    Args:
        target: directory that takes it; what is there is replaced.
        root: directory of the project.

    Raises:
        SiteError: a page is in no menu, a link leads nowhere, or Zensical warns of something.
    """
    pages = Pages.of(root)
    menu = read_menu(pages)
    with tempfile.TemporaryDirectory(prefix="site-") as name:
        workplace = Path(name)
        for page, place in pages.places.items():
            file = workplace / "pages" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_moved(page, pages, workplace / "pages"), encoding="utf-8")
        (workplace / "mkdocs.yml").write_text(yaml.safe_dump(_configuration(root, menu)), encoding="utf-8")
        _run_zensical(workplace)
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(workplace / "site", target)


def read_menu(pages: Pages) -> Menu:
    """The menu, as docs/README.md has it; a folder of pages is there by its own README.md.

    Raises:
        SiteError: a page of docs/ is not in it.
    """
    menu: Menu = [pages.places[FRONT], pages.places[INDEX]]
    named = {FRONT, INDEX}
    _, *sections = re.split(r"^## ", pages.text(INDEX), flags=re.MULTILINE)
    for section in sections:
        below: Menu = []
        for link in re.findall(r"^\| \[[^\]]*\]\(([^)]+)\)", section, re.MULTILINE):
            path = pages.target(INDEX, link)
            if path in pages.places and path not in named:
                members = _members(path, pages)
                below.append(_entry(members, pages))
                named.update(members)
        menu.append({section.partition("\n")[0]: below})
    if left := sorted(path for path in pages.places.keys() - named if path.startswith("docs/")):
        raise SiteError(
            f"{', '.join(left)}: in no table of {INDEX}, of which the site's menu is made: add a row there."
        )
    return menu


def _members(path: str, pages: Pages) -> list[str]:
    """A page, or the pages of the folder in docs/ whose README it is, that one first."""
    if not (path.startswith("docs/") and path.endswith("/README.md")):
        return [path]
    others = [page for page in pages.places if posixpath.dirname(page) == posixpath.dirname(path) and page != path]
    return [path, *sorted(others)]


def _entry(members: list[str], pages: Pages) -> Any:
    places = [pages.places[member] for member in members]
    return {pages.title(members[0]): places} if len(places) > 1 else places[0]


def _moved(page: str, pages: Pages, site: Path) -> str:
    """The text of a page with links as they are on the site; other files that it links to are put there."""
    text = pages.text(page)
    if "```mermaid" in text:
        raise SiteError(f"{page}: mermaid is drawn by a script from another host: put a picture (SVG) into docs/.")

    def to_site(link: re.Match[str]) -> str:
        path = pages.target(page, link["path"])
        place = pages.places.get(path) or _copy(path, page, pages.root, site)
        words = pages.title(path) if path in pages.places and link["words"].endswith(".md") else link["words"]
        return f"[{words}]({posixpath.relpath(place, posixpath.dirname(pages.places[page]) or '.')}"

    pieces, end = [], 0
    for fence in _FENCE.finditer(text):
        pieces += [_LINK.sub(to_site, _as_python_markdown(text[end : fence.start()])), fence.group()]
        end = fence.end()
    return "".join([*pieces, _LINK.sub(to_site, _as_python_markdown(text[end:]))])


def _as_python_markdown(text: str) -> str:
    """Where GitHub wants a backslash before the bar in a table's code, Python-Markdown would show it."""
    return re.sub(r"`[^`\n]+`", lambda code: code.group().replace(r"\|", "|"), text)


def _copy(path: str, page: str, root: Path, site: Path) -> str:
    """Puts a file that a page links to on the site, and returns where."""
    source = root / path
    if not source.is_file():
        raise SiteError(f"{page}: a link leads to {path}, which is not there.")
    outside = f"files/{path}" + ("" if source.suffix in _SHOWN_BY_BROWSERS else ".txt")
    place = path.removeprefix("docs/") if path.startswith("docs/") else outside
    (site / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, site / place)
    return place


def _configuration(root: Path, menu: Menu) -> dict[str, Any]:
    configuration: dict[str, Any] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))
    mkdocstrings = next(each["mkdocstrings"] for each in configuration["plugins"] if "mkdocstrings" in each)
    mkdocstrings["handlers"]["python"]["paths"] = [str(root)]
    return configuration | {"docs_dir": "pages", "site_dir": "site", "nav": menu}


def _run_zensical(workplace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", "mkdocs.yml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
        cwd=workplace,
    )
    if done.returncode:
        # It ends with a traceback of its own; where that is all it says, it is the reason.
        said = _COLOURS.sub("", done.stdout)
        raise SiteError(said.partition("Traceback")[0].removeprefix("Build started").strip() or said)


def main() -> int:
    """Makes the site in the directory that the command line names."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/site")
    try:
        build_site(target)
    except SiteError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{target / 'index.html'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
