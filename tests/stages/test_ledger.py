"""The ledger and the record of a run, in storage."""

import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.tasks import transfer
from prefect_azure_batch.tasks.earlier import find_earlier
from prefect_azure_batch.tasks.errors import BadInput, ServiceFailure
from prefect_azure_batch.tasks.job import run_of
from prefect_azure_batch.tasks.ledger import (
    LEDGER_NAME,
    Ledgers,
    Outcome,
    read_run,
    read_successes,
    record_outcomes,
    sum_ledgers,
)
from prefect_azure_batch.tasks.manifest import DONE, Manifest
from prefect_azure_batch.tasks.records import JobPlan, KeptFile, Run
from prefect_azure_batch.tasks.run_record import RunRecord, hold_run, is_there, list_runs, take_over
from prefect_azure_batch.tasks.transfer import delete_folder
from prefect_azure_batch.tasks.upkeep import delete_leftovers, find_leftovers


@pytest.fixture
def work(account: AzureBatchAccount) -> Iterator[str]:
    name = uuid.uuid4().hex
    yield name
    delete_folder(account.storage.get_client(), WORK_CONTAINER, name)


def run(work: str, number: int = 1) -> Run:
    return Run(f"run-{number}", "job", "pool", WORK_CONTAINER, folder=f"{work}/run-{number}")


def outcome(task_id: str, run_id: str = "run-1", succeeded: bool = True, hour: int = 1) -> Outcome:
    moment = datetime(2026, 1, 1, hour, tzinfo=UTC)
    files = (KeptFile("logs/stdout.txt", 3, "aa"),)
    return Outcome(
        task_id, task_id, succeeded, 0, "", "node", moment, moment, run_id, f"w/{run_id}/{task_id}", 0, files
    )


def read_outcomes(
    account: AzureBatchAccount, work: str, wanted: Iterable[str], container: str = WORK_CONTAINER
) -> dict[str, Outcome]:
    """How wanted tasks have succeeded, as a run learns it."""
    manifest = Manifest.of_tasks((name, name) for name in wanted)
    manifest.mark_done(read_successes(account.storage, container, work))
    batches = manifest.batches(DONE, 1000)
    return {
        outcome.task_id: outcome for batch in batches for some in manifest.outcomes(batch) for _, _, outcome in some
    }


def test_what_could_not_be_written_is_written_with_what_comes_next(account: AzureBatchAccount, work: str) -> None:
    ledgers, mine = Ledgers(account.storage, timedelta(days=1)), run(work)
    obstacle = account.storage.get_client().get_blob_client(WORK_CONTAINER, f"{mine.folder}/{LEDGER_NAME}")
    transfer.write_blob(account.storage.get_client(), WORK_CONTAINER, obstacle.blob_name, [b"no append blob"])
    with pytest.raises(ServiceFailure):
        ledgers.add(mine, [outcome("a")])
    assert ledgers.waiting() == [mine]
    obstacle.delete_blob()
    ledgers.add(mine, [outcome("b")])
    assert ledgers.waiting() == []
    assert [found.task_id for found in read_run(account.storage, mine)] == ["a", "b"]


def test_the_last_success_of_each_wanted_task_is_found_in_the_ledgers_of_all_runs(
    account: AzureBatchAccount, work: str
) -> None:
    storage = account.storage
    record_outcomes(storage, run(work), [outcome("a"), outcome("b", succeeded=False), outcome("unwanted")])
    record_outcomes(storage, run(work), [outcome("c")])
    record_outcomes(storage, run(work, 2), [outcome("a", "run-2", hour=2), outcome("c", "run-2", succeeded=False)])
    found = read_outcomes(account, work, {"a", "b", "c", "d"})
    assert {name: item.run_id for name, item in found.items()} == {"a": "run-2", "c": "run-1"}
    assert found["c"] == outcome("c")
    assert sorted(item.task_id for item in read_run(storage, run(work))) == ["a", "b", "c", "unwanted"]


def test_a_ledger_that_was_made_and_not_begun_is_begun(account: AzureBatchAccount, work: str) -> None:
    blob = account.storage.get_client().get_blob_client(WORK_CONTAINER, f"{work}/run-1/{LEDGER_NAME}")
    transfer.ensure_container(account.storage.get_client(), WORK_CONTAINER)
    blob.create_append_blob()  # and its maker heard of a failure, or was killed
    assert read_outcomes(account, work, {"a", "b"}) == {}
    for name in ("a", "b"):
        record_outcomes(account.storage, run(work), [outcome(name)])
    assert sorted(read_outcomes(account, work, {"a", "b"})) == ["a", "b"]


def test_a_ledger_that_another_process_has_begun_goes_on(
    account: AzureBatchAccount, work: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_outcomes(account.storage, run(work), [outcome("a")])
    monkeypatch.setattr("prefect_azure_batch.tasks.ledger._begun", set())
    record_outcomes(account.storage, run(work), [outcome("b")])
    assert sorted(read_outcomes(account, work, {"a", "b"})) == ["a", "b"]


def test_there_is_nothing_to_find_where_nothing_was_written(account: AzureBatchAccount) -> None:
    assert read_outcomes(account, "no-such-work", {"a"}) == {}
    assert read_outcomes(account, "work", {"a"}, "no-such-container") == {}


def test_more_than_one_append_takes_is_written_and_read(account: AzureBatchAccount, work: str) -> None:
    many = [outcome(f"task-{number:05}") for number in range(20_000)]
    record_outcomes(account.storage, run(work), many)
    found = read_outcomes(account, work, {item.task_id for item in many})
    assert len(found) == len(many)


def test_a_line_that_cannot_be_read_costs_no_other(
    account: AzureBatchAccount, work: str, caplog: pytest.LogCaptureFixture
) -> None:
    record_outcomes(account.storage, run(work), [outcome("a")])
    blob = account.storage.get_client().get_blob_client(WORK_CONTAINER, f"{work}/run-1/{LEDGER_NAME}")
    blob.append_block(b"garbled\n")
    record_outcomes(account.storage, run(work), [outcome("b")])
    assert sorted(read_outcomes(account, work, {"a", "b"})) == ["a", "b"]
    assert "1 lines of the ledger" in caplog.text


@pytest.mark.parametrize("head", [b'{"ledger": 2}\n', b"[]\n", b"what\n"])
def test_another_format_is_told(account: AzureBatchAccount, work: str, head: bytes) -> None:
    record_outcomes(account.storage, run(work, 2), [outcome("a")])
    blob = account.storage.get_client().get_blob_client(WORK_CONTAINER, f"{work}/run-1/{LEDGER_NAME}")
    blob.create_append_blob()
    blob.append_block(head)
    with pytest.raises(BadInput, match="this version knows 1"):
        read_outcomes(account, work, {"a"})


def test_ledgers_put_together_say_what_they_said_each(account: AzureBatchAccount, work: str) -> None:
    storage = account.storage
    record_outcomes(storage, run(work), [outcome("a"), outcome("b", succeeded=False), outcome("c")])
    record_outcomes(storage, run(work, 2), [outcome("a", "run-2", hour=2), outcome("b", "run-2", hour=2)])
    before = read_outcomes(account, work, "abcd")
    client = storage.get_client().get_container_client(WORK_CONTAINER)
    assert sum_ledgers(client, work, ["run-1", "run-2"])
    assert not sum_ledgers(client, work, ["run-1", "run-2"])
    lines = client.download_blob(f"{work}/{LEDGER_NAME}").readall().splitlines()
    assert len(lines) == 1 + len("abc")
    for number in (1, 2):
        client.delete_blob(f"{work}/run-{number}/{LEDGER_NAME}")
    assert read_outcomes(account, work, "abcd") == before
    record_outcomes(storage, run(work, 3), [outcome("d", "run-3")])
    assert read_outcomes(account, work, "abcd") == before | {"d": outcome("d", "run-3")}


def test_a_sum_of_ledgers_follows_the_runs_that_are_kept(account: AzureBatchAccount, work: str) -> None:
    for number in (1, 2, 3):
        record_outcomes(account.storage, run(work, number), [outcome(f"t{number}", f"run-{number}")])
    client = account.storage.get_client().get_container_client(WORK_CONTAINER)
    assert sum_ledgers(client, work, ["run-1", "run-2", "run-3"])
    assert sum_ledgers(client, work, ["run-2", "run-3"])
    client.delete_blob(f"{work}/run-1/{LEDGER_NAME}")
    assert sorted(read_outcomes(account, work, ["t1", "t2", "t3"])) == ["t2", "t3"]
    assert sum_ledgers(client, work, ["run-3"])
    assert not client.get_blob_client(f"{work}/{LEDGER_NAME}").exists()
    assert not sum_ledgers(client, work, [])


def test_of_two_that_put_ledgers_together_one_does(account: AzureBatchAccount, work: str) -> None:
    for number in (1, 2):
        record_outcomes(account.storage, run(work, number), [outcome("a", f"run-{number}")])
    client = account.storage.get_client().get_container_client(WORK_CONTAINER)
    both = [sum_ledgers, sum_ledgers]
    with ThreadPoolExecutor() as threads:
        did = list(threads.map(lambda put: put(client, work, ["run-1", "run-2"]), both))
    assert any(did)
    assert sorted(read_outcomes(account, work, "a")) == ["a"]


def test_a_run_is_taken_over_when_it_is_dead_and_not_before(account: AzureBatchAccount, work: str) -> None:
    job = JobPlan("job", "pool", "run-1", folder=f"{work}/run-1", time_limit=timedelta(hours=1))
    record = RunRecord(job, None, datetime.now(UTC))
    first = hold_run(account.storage, record)
    assert list_runs(account.storage, WORK_CONTAINER, work) == [record]
    assert take_over(account.storage, record, 0) is None
    first.release()  # as fifteen seconds without a renewal do
    second = take_over(account.storage, record, 0)
    assert second is not None
    assert take_over(account.storage, record, 0) is None
    first.end()  # it is not its own any more
    assert is_there(account.storage, record)
    second.end()
    assert not is_there(account.storage, record)
    assert take_over(account.storage, record, 0) is None
    assert run_of(job).folder == f"{work}/run-1"


def test_a_run_on_another_account_that_shares_the_storage_is_left_to_that(account: AzureBatchAccount) -> None:
    work, run_id = uuid.uuid4().hex[:24], f"map-{uuid.uuid4()}"
    there = account.model_copy(update={"endpoint": "https://north.westeurope.batch.azure.com"})
    record = RunRecord(
        JobPlan(run_id, run_id, run_id, folder=f"{work}/{run_id}"), None, datetime.now(UTC), there.identity
    )
    hold_run(account.storage, record).release()  # it is dead
    assert find_earlier(account, work, Manifest.of_tasks([("a", "a")])) == ()
    (left,) = [left for left in find_leftovers(account, lambda run_id: None) if left.run_id == run_id]
    assert (left.is_over, left.why) == (False, "its run is on the account north.westeurope.batch.azure.com")
    assert delete_leftovers(account, [left]) == []
    assert is_there(account.storage, record)
    delete_folder(account.storage.get_client(), WORK_CONTAINER, work)
