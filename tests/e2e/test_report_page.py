"""The page of a run in a real browser: readable at any size, on a desk and on a phone, without network."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from prefect_azure_batch.flows.report_page import page_lines
from prefect_azure_batch.flows.report_pictures import timeline_image
from tests.support.browser import open_browser
from tests.support.drawn_reports import DESK, PHONE, made_up

RUNS = {name: (title, result, times) for name, title, result, times in made_up()}
# Pairs of words of one picture that lie upon each other, of those that are shown.
OVERLAPS = """() => [...document.querySelectorAll("svg")].flatMap(svg => {
  const shown = [...svg.querySelectorAll("text")].map(text => [text.textContent, text.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0);
  return shown.flatMap(([words, a], number) => shown.slice(number + 1)
    .filter(([, b]) => a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)
    .map(([others]) => `${words} on ${others}`));
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(params=[DESK, PHONE], ids=["desk", "phone"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    yield page
    page.close()


@pytest.mark.parametrize("name", RUNS)
def test_a_report_is_as_wide_as_its_window_and_no_word_lies_on_another(page: Page, name: str) -> None:
    title, result, times = RUNS[name]
    asked_for: list[str] = []
    page.on("request", lambda request: asked_for.append(request.url))
    page.set_content("\n".join(page_lines(result, times, title)))
    assert page.get_by_role("heading", level=1).inner_text() == title
    assert page.evaluate("document.documentElement.scrollWidth") == page.evaluate("window.innerWidth")
    assert page.evaluate(OVERLAPS) == []
    assert asked_for == []


def test_whoever_points_at_a_bar_is_told_what_it_is(browser: Browser) -> None:
    title, result, times = RUNS["200-tasks"]
    page = browser.new_page()
    page.set_content("\n".join(page_lines(result, times, title)))
    titles = page.locator("svg rect.again > title").all_text_contents()
    again = [task.input for task in result.tasks if task.requeues and task.state == "succeeded"]
    assert again
    assert [text.partition(":")[0] for text in titles] == again
    page.close()


def test_the_timeline_alone_is_a_picture_that_a_browser_shows(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<img>")
    for _, _, times in RUNS.values():
        page.locator("img").evaluate(
            "(img, text) => { img.src = 'data:image/svg+xml;base64,' + btoa(text); return img.decode(); }",
            timeline_image(times),
        )
        assert page.locator("img").evaluate("img => img.naturalWidth") == 1000
    page.close()
