"""When events are worth telling, and what is an asset."""

from datetime import timedelta
from pathlib import Path

import pytest
from azure.batch import models
from prefect.settings import PREFECT_API_URL, temporary_settings

from prefect_azure_batch.flows.assets import asset_key, input_assets
from prefect_azure_batch.flows.events import EVENTS, is_round
from prefect_azure_batch.flows.idle_nodes import IdleNodes
from prefect_azure_batch.flows.pool_watch import News
from prefect_azure_batch.flows.prefect_server import has_lasting_server

PAGE = Path(__file__).resolve().parents[3] / "docs" / "events.md"


def test_the_page_of_events_names_them_all() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name, when in EVENTS.items() if f"| `{name}` | {when} |" not in page] == []
    assert all(name.startswith("azure-batch.") for name in EVENTS)


def test_numbers_of_failed_tasks_are_told_when_they_are_ten_times_more() -> None:
    assert [count for count in range(100_001) if is_round(count)] == [10, 100, 1000, 10_000, 100_000]


def test_nodes_are_idle_when_so_many_were_at_each_look_for_five_minutes_and_that_is_told_every_half_hour() -> None:
    minute = 0.0
    nodes = IdleNodes(clock=lambda: minute * 60)
    seen = {}
    for minute, idle in enumerate([0, 2, 2, 3, 2, 2, 4, 4, *[4] * 30, 0, *[1] * 5]):
        if told := nodes.look(idle):
            seen[minute] = told
    assert seen == {6: 2, 36: 4}


def test_nodes_that_are_idle_between_tasks_are_not_told_of() -> None:
    minute = 0.0
    nodes = IdleNodes(timedelta(minutes=5), clock=lambda: minute * 60)
    told = []
    for minute in range(60):
        told.append(nodes.look(minute % 4))
    assert not any(told)


def test_troubles_of_a_pool_are_told_when_they_are_new() -> None:
    news = News()
    assert [news.preempted(number) for number in (0, 2, 2, 3, 0, 1)] == [False, True, False, True, False, True]
    errors = [
        [models.ResizeError({"code": code}) for code in codes.split()] for codes in ("", "A", "A", "A B", "", "A")
    ]
    assert [news.errors(each or None) for each in errors] == [False, True, False, True, False, True]


@pytest.mark.parametrize(
    ("inputs", "keys"),
    [
        (["data", "https://host/x.csv"], []),
        (["az://study/out/"], ["az://study/out"]),
        (["az://study/**/2026-??/*.csv", "az://study/a*"], ["az://study"]),
        (["az://study/raw/a.csv", "az://study/raw/*.csv"], ["az://study/raw/a.csv", "az://study/raw"]),
        (["az://study/with blank"], []),
    ],
)
def test_inputs_are_assets_where_they_are_blobs(inputs: list[str], keys: list[str]) -> None:
    assert input_assets(inputs) == keys


def test_a_place_that_prefect_admits_no_asset_for_has_none() -> None:
    assert asset_key("az://study/out") == "az://study/out"
    assert asset_key("az://study/50%") is None


def test_a_server_that_ends_with_the_process_is_told_nothing() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}):
        assert has_lasting_server()
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        assert not has_lasting_server()
