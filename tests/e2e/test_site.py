"""The site of docs/: it builds without a warning, every link and anchor of it leads somewhere, and nothing comes from
another host.
"""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import prefect_azure_batch
from docs.site.build import Pages, SiteError, build_site
from docs.site.options import PAGE, options_page
from tests.support.browser import open_browser
from tests.support.documents import ROOT, text_of

# What a browser fetches by itself, as opposed to what a reader follows.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}


@dataclass
class Html(HTMLParser):
    """What a page of the site fetches, leads to, and can be led to."""

    fetched: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.fetched.append(found["href"])
        if FETCHED.get(tag, "") in found:
            self.fetched.append(found[FETCHED[tag]])

    @classmethod
    def read(cls, file: Path) -> "Html":
        page = cls()
        page.feed(file.read_text(encoding="utf-8"))
        return page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made as ``make docs`` does."""
    target = tmp_path_factory.mktemp("site")
    build_site(target)
    return target


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Html]:
    return {file.relative_to(site).as_posix(): Html.read(file) for file in site.rglob("*.html")}


def is_local(address: str) -> bool:
    return not urlsplit(address).scheme and not address.startswith("//")


def test_every_page_of_the_repository_is_on_it(pages: dict[str, Html]) -> None:
    named = {place.replace("README.md", "index.md").replace(".md", ".html") for place in Pages.of(ROOT).places.values()}
    assert len(named) > 40
    assert named <= pages.keys()


def test_nothing_is_fetched_from_another_host(site: Path, pages: dict[str, Html]) -> None:
    foreign = [(name, address) for name, page in pages.items() for address in page.fetched if not is_local(address)]
    assert foreign == []
    styles = "".join(file.read_text(encoding="utf-8") for file in site.rglob("*.css"))
    assert len(styles) > 10_000
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)\"']*", styles) == []


def test_every_link_of_it_leads_somewhere(site: Path, pages: dict[str, Html]) -> None:
    broken = []
    for name, page in pages.items():
        if name == "404.html":  # it may be shown at any place
            continue
        for link in (link for link in [*page.links, *page.fetched] if is_local(link)):
            parts = urlsplit(link)
            file = (site / name).parent / unquote(parts.path) if parts.path else site / name
            file = file.resolve() / "index.html" if file.is_dir() else file.resolve()
            target = pages.get(file.relative_to(site).as_posix()) if file.suffix == ".html" else None
            if not file.is_file() or (parts.fragment and target and unquote(parts.fragment) not in target.anchors):
                broken.append((name, link))
    assert broken == []


def test_the_reference_has_every_name_that_is_handed_out(pages: dict[str, Html]) -> None:
    homes = prefect_azure_batch._HOMES
    assert homes.keys() == set(prefect_azure_batch.__all__)
    names = {f"prefect_azure_batch.{home}.{name.removesuffix('_task')}" for name, home in homes.items()}
    assert names - pages["api.html"].anchors == set()


def test_the_page_of_options_is_what_the_commands_have() -> None:
    assert options_page() == PAGE.read_text(encoding="utf-8"), "`make docs` writes it anew"


def test_the_list_of_decisions_names_each() -> None:
    index = text_of("docs/decisions/README.md")
    names = [file.name for file in sorted((ROOT / "docs" / "decisions").glob("0*.md"))]
    assert re.findall(r"^- \[.+\]\((.+)\)$", index, re.MULTILINE) == names


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """The site, served."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def test_a_browser_finds_a_page_by_its_words_and_asks_no_other_host(address: str) -> None:
    with open_browser() as browser:
        page = browser.new_page()
        asked: list[str] = []
        statuses: set[int] = set()
        page.on("request", lambda request: asked.append(request.url))
        page.on("response", lambda response: statuses.add(response.status))
        page.goto(address)
        page.keyboard.press("Control+k")
        page.keyboard.type("preempted again and again")
        page.get_by_role("link", name=re.compile("Why a job does not go on")).last.wait_for()
    assert statuses <= {200, 304}
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith(address)] == []


def project(root: Path, **files: str) -> Path:
    """A small project with pages, all but new ones in their table."""
    for name, text in {"README.md": "# Front\n", "docs/page.md": "# A page\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "docs" / "README.md").write_text("# All\n\n## Begin\n\n| page |\n|---|\n| [page.md](page.md) |\n")
    return root


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"docs/new.md": "# New\n"}, r"docs/new\.md: in no table of docs/README\.md"),
        ({"docs/page.md": "# A page\n\n[there](gone.md)\n"}, r"docs/page\.md: a link leads to docs/gone\.md"),
        ({"docs/page.md": "# A page\n\n```mermaid\nflowchart\n```\n"}, "drawn by a script from another host"),
        ({"docs/page.md": "# A page\n\n[there](README.md#nowhere)\n"}, "anchor does not exist"),
    ],
)
def test_what_is_wrong_with_a_page_is_told_and_no_site_is_made(
    tmp_path: Path, files: dict[str, str], complaint: str
) -> None:
    with pytest.raises(SiteError, match=complaint):
        build_site(tmp_path / "site", project(tmp_path / "project", **files))
    assert not (tmp_path / "site").exists()


def test_a_page_moves_with_what_it_links_to(tmp_path: Path) -> None:
    text = "# A page\n\n[../README.md](../README.md), [all](README.md#begin), [code](../tasks/one.py)\n"
    text += "\n| operator |\n|---|\n| `a \\| b` |\n"
    files = {"docs/page.md": text, "tasks/one.py": "1\n"}
    build_site(tmp_path / "site", project(tmp_path / "project", **files))
    page = (tmp_path / "site" / "page.html").read_text()
    assert re.findall(r'href="([^"]+)">(?:Front|all|code)<', page)[-3:] == [
        "index.html", "pages.html#begin", "files/tasks/one.py.txt"
    ]  # fmt: skip
    assert "<code>a | b</code>" in page
    assert (tmp_path / "site" / "files" / "tasks" / "one.py.txt").read_text() == "1\n"
