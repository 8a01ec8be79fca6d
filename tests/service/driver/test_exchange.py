"""Small requests to servers on this machine: what is answered at once, and what is left to those with more patience."""

from collections.abc import AsyncIterator, Iterator

import pytest

from localbatch.driver.exchange import LARGEST, Answer, Exchange
from tests.support.web import Web, web_server


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with web_server() as running:
        yield running


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    yield made
    made.close()


async def test_a_small_body_comes_whole_and_whatever_the_status_it_is_told(web: Web, exchange: Exchange) -> None:
    link = web.add("/a?sig=x%2By", b"body")
    web.statuses["/b"] = [503]
    answers = [await exchange.ask("GET", each) for each in (link, f"{web.url}/b", f"{web.url}/absent", link)]
    assert [answer and answer.status for answer in answers] == [200, 503, 404, 200]
    assert answers[0] == answers[-1] == Answer(200, b"body")


@pytest.mark.parametrize(
    "link",
    [
        *("http://localhost:1/x", "https://127.0.0.1:1/x", "http://u:p@127.0.0.1:1/x", "ftp://127.0.0.1/x"),
        *("http://127.0.0.1/x", "http://127.0.0.1:99999/x", "http://127.0.0.1:1/x", "http://127.0.0.1:1/\n", "x\ny"),
    ],
)
async def test_what_leads_elsewhere_or_nowhere_is_left_to_others(link: str, exchange: Exchange) -> None:
    assert await exchange.ask("GET", link) is None


async def test_what_is_large_or_cut_short_is_left_to_others(web: Web, exchange: Exchange) -> None:
    large = web.add("/large", b"x" * (LARGEST + 1))
    cut = web.add("/cut", b"x" * 100)
    web.cut.add("/cut")
    assert [await exchange.ask("GET", link) for link in (large, cut)] == [None, None]
    assert await exchange.ask("GET", web.add("/after", b"small")) == Answer(200, b"small")
