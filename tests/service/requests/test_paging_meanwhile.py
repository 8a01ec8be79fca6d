"""Pages of a list whose rows come and go between them: what was there all the time is listed once."""

import random
from collections.abc import Callable, Iterable, Iterator

import pytest
from azure.batch import models

from tests.support.account import Account

KEPT = [f"kept{number}" for number in range(12)]


class Jobs:
    """The jobs of an account, as rows that can be added and removed."""

    def __init__(self, batch: Account) -> None:
        self._batch = batch

    def add(self, row: str) -> None:
        self._batch.make_job(row)

    def remove(self, row: str) -> None:
        self._batch.send("DELETE", f"/jobs/{row}")
        self._batch.await_gone(lambda: self._batch.client.get_job(row))

    def pages(self, filter: str | None) -> Iterator[list[str]]:
        for page in self._batch.client.list_jobs(max_results=3, filter=filter).by_page():
            yield [str(job.id) for job in page]


class Tasks:
    """The tasks of a job that nothing runs."""

    def __init__(self, batch: Account) -> None:
        self._client = batch.client
        batch.make_job()

    def add(self, row: str) -> None:
        self._client.create_task("job", models.BatchTaskCreateOptions(id=row, command_line="true"))

    def remove(self, row: str) -> None:
        self._client.delete_task("job", row)

    def pages(self, filter: str | None) -> Iterator[list[str]]:
        for page in self._client.list_tasks("job", max_results=3, filter=filter).by_page():
            yield [str(task.id) for task in page]


class Pools:
    """The pools of an account, without nodes."""

    def __init__(self, batch: Account) -> None:
        self._batch = batch

    def add(self, row: str) -> None:
        self._batch.make_pool(row, nodes=0)

    def remove(self, row: str) -> None:
        self._batch.send("DELETE", f"/pools/{row}")
        self._batch.await_gone(lambda: self._batch.client.get_pool(row))

    def pages(self, filter: str | None) -> Iterator[list[str]]:
        for page in self._batch.client.list_pools(max_results=3, filter=filter).by_page():
            yield [str(pool.id) for pool in page]


@pytest.mark.parametrize("kind", [Jobs, Tasks, Pools])
@pytest.mark.parametrize("filter", [None, "startswith(id, 'kept') or startswith(id, 'new')"])
def test_what_is_there_all_the_time_is_listed_once(
    batch: Account, kind: Callable[[Account], Jobs | Tasks | Pools], filter: str | None
) -> None:
    rows, chance = kind(batch), random.Random(f"{kind}")
    gone = [f"gone{number}" for number in range(6)] if filter is None else [f"new-gone{number}" for number in range(6)]
    for row in _mixed(chance, [*KEPT, *gone]):
        rows.add(row)
    listed: list[str] = []
    for number, page in enumerate(rows.pages(filter)):
        listed += page
        rows.add(f"new{number}")
        if gone:
            rows.remove(gone.pop(chance.randrange(len(gone))))
    assert sorted(row for row in listed if row in KEPT) == sorted(KEPT)
    assert len(set(listed)) == len(listed)


def _mixed(chance: random.Random, rows: Iterable[str]) -> list[str]:
    mixed = list(rows)
    chance.shuffle(mixed)
    return mixed
