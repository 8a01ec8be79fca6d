"""The status page in a browser: what it shows, live, on a desk and on a phone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from azure.batch import models
from playwright.sync_api import Browser, Page, ViewportSize, expect

from localbatch.launcher import LocalAzure
from tests.support.account import Account, open_account, shell
from tests.support.browser import open_browser

HOSTILE = "<img src=x onerror=alert(1)>"
DESK, PHONE = ViewportSize(width=1200, height=800), ViewportSize(width=375, height=740)


def task(task_id: str, command: str) -> models.BatchTaskCreateOptions:
    return models.BatchTaskCreateOptions(id=task_id, command_line=shell(command))


@dataclass
class Scene:
    """A service with something to see, and where its page is."""

    account: Account
    link: str
    go: Path


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    go: Path = tmp_path_factory.mktemp("scene") / "go"
    with (
        LocalAzure(storage=False, attach=False) as azure,
        open_account(azure.endpoints, "page") as account,
        open_account(azure.endpoints, "second") as second,
    ):
        second.make_job("many")
        second.client.create_tasks("many", [task(f"t{number}", "true") for number in range(105)])
        account.make_pool("align", nodes=12)
        account.make_job("samples", "align")
        account.add_task("echo 1204 reads mapped", "good", "samples")
        account.add_task("echo no such reference >&2; exit 3", "bad", "samples")
        account.add_task(f'echo "{HOSTILE}"; until test -e {go}; do sleep 0.1; done; echo done', "live", "samples")
        account.await_task("good", "samples")
        account.await_task("bad", "samples")
        account.await_task("live", "samples", state="running")
        yield Scene(account, Path(azure.endpoints.root, "page.url").read_text().strip(), go)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@dataclass
class Visit:
    """A page that is open, and what went wrong in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(params=["light", "dark"])
def visit(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Visit]:
    with browser.new_context(viewport=DESK, color_scheme=request.param) as context:
        visit = Visit(context.new_page())
        visit.page.on("console", lambda message: visit.complaints.append(message.text))
        visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        yield visit
        assert visit.complaints == []


def test_from_the_pool_to_the_text_of_a_task(scene: Scene, visit: Visit) -> None:
    page = visit.page
    page.goto(scene.link)
    pool = page.locator("article", has_text="align")
    expect(pool.locator(".map a")).to_have_count(12)
    expect(pool.locator(".legend")).to_contain_text("running")
    assert page.url.endswith("/#/"), "the token does not stay in the address"
    job = page.locator("article", has_text="samples")
    expect(job.locator(".counts")).to_have_text(re.compile("1 succeeded.*1 failed.*1 running"))
    running = pool.locator(".map a.s-running")
    running.hover()
    expect(pool.locator(".pointed")).to_contain_text("samples/live")
    job.get_by_role("link", name="samples").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_role("link", name="failed", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="bad").click()
    expect(page.locator("p.error")).to_contain_text("FailureExitCode")
    page.get_by_role("button", name="stderr.txt").click()
    expect(page.locator("pre.text")).to_have_text("no such reference\n")


def test_a_running_task_is_watched_and_its_text_is_never_markup(scene: Scene, browser: Browser) -> None:
    scene.go.unlink(missing_ok=True)
    with browser.new_context(viewport=PHONE) as context:
        page = context.new_page()
        alerts: list[str] = []
        page.on("dialog", lambda dialog: alerts.append(dialog.message))
        page.goto(scene.link)
        page.evaluate("location.hash = '#/task/samples/live'")
        expect(page.locator("pre.text")).to_have_text(f"{HOSTILE}\n")
        expect(page.locator("pre.text img")).to_have_count(0)
        expect(page.locator(".head .tag")).to_have_text("running")
        scene.go.touch()
        expect(page.locator("pre.text")).to_have_text(f"{HOSTILE}\ndone\n")
        expect(page.locator(".head .tag")).to_have_text("succeeded")
        assert alerts == []


@pytest.mark.parametrize("address", ["#/", "#/job/samples", "#/task/samples/good", "#/node/align/1"])
def test_nothing_is_wider_than_a_phone(scene: Scene, visit: Visit, address: str) -> None:
    page = visit.page
    page.set_viewport_size(PHONE)
    page.goto(scene.link)
    page.evaluate("address => { location.hash = address }", address)
    expect(page.locator("#connection")).to_have_text("live")
    expect(page.locator("main .facts, main .map a").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.screenshot().startswith(b"\x89PNG")


def test_the_map_of_a_pool_is_one_stop_for_the_keyboard(scene: Scene, visit: Visit) -> None:
    page = visit.page
    page.goto(scene.link)
    nodes = page.locator(".map a")
    expect(nodes).to_have_count(12)
    nodes.first.focus()
    for key in ("ArrowRight", "ArrowRight", "End", "ArrowLeft"):
        page.keyboard.press(key)
    expect(nodes.nth(10)).to_be_focused()
    expect(page.locator(".pointed")).to_contain_text("node")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("tvmps_")


def test_another_account_is_chosen_and_its_tasks_turned_over(scene: Scene, visit: Visit) -> None:
    page = visit.page
    page.goto(scene.link)
    page.get_by_label("Account").select_option("second")
    job = page.get_by_role("link", name="many")
    expect(job).to_be_visible()
    expect(page.get_by_text("There are no pools.")).to_be_visible()
    job.click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(100)
    page.get_by_role("button", name="Later").click()
    expect(rows).to_have_count(5)
    page.reload()
    expect(rows).to_have_count(100)
    expect(page.locator("h1")).to_have_text("many")


def test_without_its_link_the_page_says_where_it_is(scene: Scene, browser: Browser) -> None:
    with browser.new_context(viewport=PHONE) as context:
        page = context.new_page()
        page.goto(scene.link.partition("#")[0])
        expect(page.locator("h1")).to_have_text("This page needs its link")
        page.goto(f"{scene.link.partition('#')[0]}#{'x' * 32}")
        expect(page.locator("h1")).to_have_text("This page needs its link")
        expect(page.locator("main")).not_to_contain_text("samples")
