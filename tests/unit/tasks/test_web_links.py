"""Inputs that are links of the web."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.tasks.errors import BadInput, ServiceFailure
from prefect_azure_batch.tasks.identity import identify
from prefect_azure_batch.tasks.inputs import find_inputs, search_inputs
from prefect_azure_batch.tasks.link_versions import link_version
from prefect_azure_batch.tasks.manifest import OURS, Manifest
from prefect_azure_batch.tasks.records import InputItem
from prefect_azure_batch.tasks.requests import without_secrets
from prefect_azure_batch.tasks.sweeps import tabulate
from prefect_azure_batch.tasks.upload import stored_input
from prefect_azure_batch.tasks.web_links import linked_input, place_of
from tests.support.web import Web, web_server

SIGNED = "sv=2025-01-05&se=2026-12-01&sp=r&sig=s3cret%2B"


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as web:
        yield web


def find(*links: str) -> list[InputItem]:
    return find_inputs(links, lambda container, prefix: [])


def test_a_link_is_called_what_it_is_without_its_query(caplog: pytest.LogCaptureFixture, web: Web) -> None:
    link = web.add(f"/data/a%20b.csv?{SIGNED}", b"1")
    with caplog.at_level(logging.INFO):
        (item,) = identify(find(link))
    stored = stored_input(item)
    assert (item.label, item.name, stored.url) == (f"{web.url}/data/a%20b.csv", "a b.csv", link)
    shown = f"{item} {stored} {caplog.text} {MapParameters(inputs=[link], common=[link], command='true')!r}"
    assert "s3cret" not in shown
    assert "a%20b.csv" in caplog.text


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("https://", "cannot be read"),
        ("https:///x.csv", "cannot be read"),
        ("https://host:port/x.csv", "cannot be read"),
        ("https://host/a b.csv?sig=s3cret", "a space as %20"),
        ("https://user:s3cret@host/x.csv", "'https://host/x.csv' holds a user's name"),
        ("https://host/?sig=s3cret", "ends in no file name"),
        ("https://host/x/..", "ends in no file name"),
        ("https://host/x%00", "ends in no file name"),
    ],
)
def test_what_is_no_link_to_a_file_is_told(link: str, complaint: str) -> None:
    with pytest.raises(BadInput) as refused:
        find(link)
    assert complaint in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_one_link_signed_twice_is_one_input_and_other_queries_are_other_inputs() -> None:
    with pytest.raises(BadInput, match="is listed twice") as refused:
        find("https://host/x?sig=s3cret&id=1", "https://host/x?id=1&X-Amz-Signature=s3cret")
    assert "s3cret" not in str(refused.value)
    assert len(find("https://host/x?id=1", "https://host/x?id=2")) == 2
    assert place_of("https://Host/x?id=1&sig=a") == place_of("https://host/x?sig=b&id=1")


def test_a_version_is_what_the_server_says_whoever_signed_the_link(web: Web) -> None:
    first, second, other = (web.add(f"/x.csv?{query}", b"1") for query in ("sig=1", "sig=2", "sig=3"))
    web.etags |= {"/x.csv?sig=1": '"a"', "/x.csv?sig=2": '"a"', "/x.csv?sig=3": '"b"'}
    assert link_version(first) == link_version(second) != link_version(other)
    assert (web.heads.total(), web.asked.total()) == (3, 0)


def test_without_a_word_of_the_server_the_link_is_the_version(web: Web) -> None:
    one, two = web.add("/x?id=1&sig=1", b"1"), web.add("/x?id=2&sig=1", b"1")
    assert link_version(one) == link_version(web.add("/x?id=1&sig=2", b"1")) != link_version(two)


def test_a_link_that_is_signed_for_reading_alone_is_read_for_its_version(web: Web) -> None:
    link = web.add("/x.csv?sig=1", b"1")
    web.headless.add("/x.csv?sig=1")
    assert len(link_version(link)) == 64
    assert (web.heads["/x.csv?sig=1"], web.asked["/x.csv?sig=1"]) == (1, 1)


def test_a_redirect_is_followed_and_a_failure_tried_again(web: Web) -> None:
    link = web.add("/x.csv", b"1")
    web.redirects["/old.csv"], web.statuses["/x.csv"] = link, [503, 429]
    assert len(link_version(f"{web.url}/old.csv")) == 64
    assert web.heads["/x.csv"] == 2
    assert web.asked["/x.csv"] == 1  # for what a refusal of a HEAD means


def test_a_link_that_is_refused_or_has_no_answer_is_told_without_its_query(web: Web) -> None:
    with pytest.raises(BadInput) as refused:
        Manifest.of_inputs(search_inputs([f"{web.url}/none.csv?{SIGNED}"], lambda container, prefix: []))
    assert str(refused.value) == f"The link '{web.url}/none.csv' is refused by its server: 404 Not Found."
    with web_server() as gone:
        link = f"{gone.url}/x.csv?{SIGNED}"
    with pytest.raises(ServiceFailure, match=r"x.csv' has no answer \(ConnectError\)") as failed:
        link_version(link)
    assert "s3cret" not in str(failed.value)


def test_links_stand_in_tables_and_come_out_of_a_manifest_as_they_were(web: Web, tmp_path: Path) -> None:
    links = [web.add(f"/{number}.csv?sig={number}", b"1") for number in range(3)]
    table = tmp_path / "t.csv"
    table.write_text("input,gain\n" + "".join(f"{link},{number}\n" for number, link in enumerate(links)))
    manifest = Manifest.of_inputs(tabulate(table, lambda container, prefix: []))
    manifest.name_tasks(lambda item: f"t{item.index}")
    (items,) = manifest.items(manifest.batches(OURS, 10)[0])
    assert [item.url for item in items] == links
    assert [item.label for item in items] == [f"{web.url}/{number}.csv gain={number}" for number in range(3)]
    assert b"sig" not in b"".join(manifest.json_lines())


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://h/x?sp=r&sig=s3cret%2B", "https://h/x?sp=r&sig=(hidden)"),
        ("https://h/x?token=s3cret", "https://h/x?(hidden)"),
        ("https://h/x?sig=s3cret&X-Amz-Signature=s3cret", "https://h/x?(hidden)"),
        ("https://h/x?s3cret", "https://h/x?(hidden)"),
        ("https://h/x", "https://h/x"),
        ("what?x=1", "what?x=1"),
    ],
)
def test_a_plan_shows_of_a_query_no_more_than_is_known_to_be_no_secret(link: str, shown: str) -> None:
    assert without_secrets({"httpUrl": link}) == {"httpUrl": shown}


def test_what_is_stored_of_a_run_has_no_query() -> None:
    asked = MapParameters(inputs=[f"https://host/x?{SIGNED}", "a?b=c"], command="cat {input}")
    assert asked.model_dump(mode="json")["inputs"] == ["https://host/x", "a?b=c"]
    assert asked.model_dump()["inputs"][0].endswith(SIGNED)
    assert linked_input(asked.inputs[0]).url == asked.inputs[0]
