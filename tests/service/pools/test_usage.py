"""The usage metrics of an account, as the official client lists them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError

from localbatch.launcher import LocalAzure
from localbatch.server import STATE_FILE
from localbatch.store.lifetimes import LifetimeRecord
from localbatch.store.store import Store
from tests.support.account import Account, error_code, error_values, open_account

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def noon() -> datetime:
    """Five hours ago, at the beginning of an interval."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 5 * HOUR


@pytest.fixture(scope="module")
def batch(noon: datetime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    """An account whose nodes of hours ago the service remembers."""
    root: Path = tmp_path_factory.mktemp("root")
    store = Store(root / STATE_FILE)
    for pool, cores, begin, hours in (("one", 2, 0.0, 1.0), ("one", 2, 0.5, 1.0), ("two", 16, 0.0, 0.5)):
        started = noon + begin * HOUR
        store.lifetimes.add(LifetimeRecord(0, "used", pool, "standard_d2s_v3", cores, started, started + hours * HOUR))
    store.close()
    with LocalAzure(root=root, storage=False, attach=False) as azure, open_account(azure.endpoints, "used") as account:
        yield account


def test_core_hours_are_listed_for_each_pool_and_interval(batch: Account, noon: datetime) -> None:
    found = batch.client.list_pool_usage_metrics(start_time=noon, end_time=noon + 2 * HOUR)
    listed = [(each.pool_id, (each.start_time - noon) / HOUR, each.total_core_hours) for each in found]
    assert listed == [("one", 0.0, 1.0), ("two", 0.0, 8.0), ("one", 0.5, 2.0), ("one", 1.0, 1.0)]


def test_the_list_is_filtered_and_paged(batch: Account, noon: datetime) -> None:
    found = batch.client.list_pool_usage_metrics(start_time=noon, filter="poolId eq 'one'", max_results=1)
    assert [each.pool_id for each in found] == ["one"] * 3
    with pytest.raises(HttpResponseError) as caught:
        list(batch.client.list_pool_usage_metrics(filter="vmSize eq 'a'"))
    assert error_code(caught.value) == "InvalidQueryParameterValue"


def test_only_what_lies_back_far_enough_can_be_asked_for(batch: Account) -> None:
    assert list(batch.client.list_pool_usage_metrics()) == []
    with pytest.raises(HttpResponseError) as caught:
        list(batch.client.list_pool_usage_metrics(start_time=datetime.now(UTC) - 2 * HOUR))
    assert (caught.value.status_code, error_values(caught.value)["QueryParameterName"]) == (400, "startTime")


def await_removal(account: Account, pool_id: str) -> None:
    account.send("DELETE", f"/pools/{pool_id}")
    account.await_gone(lambda: account.client.get_pool(pool_id))


def test_nodes_and_pools_are_remembered_for_the_time_they_were_used(tmp_path: Path) -> None:
    with LocalAzure(root=tmp_path, storage=False, attach=False) as azure, open_account(azure.endpoints) as account:
        account.make_pool("two", nodes=2)
        account.await_nodes(count=2, pool_id="two")
        await_removal(account, "two")
        account.make_pool("paused")
        (node,) = account.await_nodes(pool_id="paused")
        for action, state in (("deallocate", "deallocated"), ("start", "idle"), ("deallocate", "deallocated")):
            assert account.send("POST", f"/pools/paused/nodes/{node.id}/{action}").status_code == 202
            account.await_nodes(state, pool_id="paused")
        await_removal(account, "paused")
        name = account.name
    store = Store(tmp_path / STATE_FILE)
    found = list(store.lifetimes.where("account = ?", name))
    store.close()
    assert [(each.pool_id, each.cores) for each in found] == [
        *(("two", 2), ("two", 2), ("two", 0)),
        *(("paused", 2), ("paused", 2), ("paused", 0)),
    ]
    first, second, pool = found[3:]
    assert pool.started < first.started < first.ended < second.started < second.ended < pool.ended
