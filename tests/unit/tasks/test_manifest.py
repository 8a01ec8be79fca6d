"""What a run knows of its inputs."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefect_azure_batch.blocks.containers import WORK_CONTAINER
from prefect_azure_batch.tasks.errors import BadInput, JobEnded
from prefect_azure_batch.tasks.inputs import search_inputs
from prefect_azure_batch.tasks.ledger import Outcome
from prefect_azure_batch.tasks.manifest import AT_ONCE, DONE, OURS, Manifest
from prefect_azure_batch.tasks.records import Run, TaskEnd

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run("run", "job", "pool", WORK_CONTAINER, folder="work/run")


def end(exit_code: int = 0) -> TaskEnd:
    return TaskEnd(exit_code == 0, exit_code, "", "node", MOMENT, MOMENT)


def outcome(task_id: str, hour: int = 1, run_id: str = "other") -> Outcome:
    ended = MOMENT.replace(hour=hour)
    return Outcome(task_id, "old name", True, 0, "", "node", MOMENT, ended, run_id, f"work/{run_id}/{task_id}")


def named(number: int) -> Manifest:
    return Manifest.of_tasks((f"t{place}", f"input {place}") for place in range(number))


def blobs(names: Iterable[str]) -> Manifest:
    return Manifest.of_inputs(search_inputs(["az://box/"], lambda container, prefix: ((name, "1") for name in names)))


def test_inputs_are_in_the_order_of_their_patterns_and_names(tmp_path: Path) -> None:
    for name in ("z.txt", "b/c.txt", "a.txt", "b/a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    patterns = [str(tmp_path / "z.txt"), str(tmp_path / "b"), f"{tmp_path}/a*"]
    manifest = Manifest.of_inputs(search_inputs(patterns, lambda container, prefix: []))
    manifest.name_tasks(lambda item: f"{item.index} {item.label}")
    (batch,) = manifest.batches(OURS, 10)
    (items,) = manifest.items(batch)
    assert [Path(item.label).relative_to(tmp_path).as_posix() for item in items] == [
        "z.txt",
        "b/a.txt",
        "b/c.txt",
        "a.txt",
    ]
    assert [item.index for item in items] == [0, 1, 2, 3]
    assert all(len(item.version) == 64 and item.stamp and item.path == Path(item.label) for item in items)


def test_inputs_with_the_same_name_and_content_are_counted(tmp_path: Path) -> None:
    for name, text in (("a/x", "same"), ("b/x", "same"), ("c/x", "other"), ("d/x", "same"), ("a/y", "same")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    manifest = Manifest.of_inputs(search_inputs([str(tmp_path)], lambda container, prefix: []))
    manifest.name_tasks(lambda item: item.label)
    (items,) = manifest.items(manifest.batches(OURS, 10)[0])
    twins = {Path(item.label).relative_to(tmp_path).as_posix(): item.twin for item in items}
    assert twins == {"a/x": 0, "a/y": 0, "b/x": 1, "c/x": 0, "d/x": 2}


def test_an_input_with_two_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(BadInput, match=r"/a' and .*/b' are one file"):
        Manifest.of_inputs(search_inputs([str(tmp_path)], lambda container, prefix: []))


def test_many_are_cut_into_batches_and_read_some_at_a_time() -> None:
    number = 2 * AT_ONCE + 1
    manifest = blobs(f"{place:05}" for place in reversed(range(number)))
    manifest.name_tasks(lambda item: f"t{item.index}")
    first, second = manifest.batches(OURS, AT_ONCE + 1)
    assert (first.label, first.size, second.label, second.size) == ("1 to 201", 201, "202 to 401", 200)
    pieces = list(manifest.items(first))
    assert [len(piece) for piece in pieces] == [AT_ONCE, 1]
    assert [item.blob for piece in pieces for item in piece] == [f"{place:05}" for place in range(AT_ONCE + 1)]
    lines = b"".join(manifest.json_lines()).splitlines()
    assert json.loads(lines[-1]) == {
        "number": 400, "input": "az://box/00400", "name": "00400", "version": "1", "task_id": "t400",
    }  # fmt: skip


def test_what_was_done_is_not_ours_and_the_last_success_counts() -> None:
    manifest = named(4)
    manifest.mark_done([outcome("t1", 2, "later"), outcome("t1", 1), outcome("t3"), outcome("unknown")])
    assert manifest.count(OURS) == 2
    assert manifest.mark_found(0, [("t1", 7), ("t2", 8), ("unknown", 9)]) == 1
    (ours,), (done,), (found,) = (manifest.batches(source, 10) for source in (OURS, DONE, 0))
    assert (ours.label, done.label, found.label) == ("input 0", "2 inputs", "input 2")
    assert (manifest.waiting(done), manifest.ready(done)) == (0, 2)
    (known,) = manifest.outcomes(done)
    assert [(number, label, known.run_id) for number, label, known in known] == [
        (1, "input 1", "later"),
        (3, "input 3", "other"),
    ]
    ((task,),) = manifest.tasks(found, RUN)
    assert task.folder == "work/run/0000008-t2"
    manifest.mark_outcome(outcome("t2"))
    assert (manifest.waiting(found), manifest.ready(found)) == (0, 1)


def test_what_two_do_ends_for_each_where_he_does_it() -> None:
    manifest = named(2)
    assert manifest.mark_found(0, [("t0", 0)]) == 1
    (ours,), (found,) = manifest.batches(OURS, 10), manifest.batches(0, 10)
    manifest.mark_outcome(outcome("t1"))  # the other one came to it later
    assert manifest.ends_of(0).add({"t1": end(3)}) == 1
    assert manifest.ends_of(OURS).add({"t0": end(3)}) == 1
    assert [(manifest.waiting(batch), manifest.ready(batch)) for batch in (ours, found)] == [(1, 0), (1, 0)]
    manifest.ends_of(OURS).add({"t1": end()})
    manifest.ends_of(0).add({"t0": end()})
    assert [(manifest.waiting(batch), manifest.ready(batch)) for batch in (ours, found)] == [(0, 1), (0, 1)]


def test_nobody_goes_on_with_what_is_abandoned() -> None:
    manifest = named(2 * AT_ONCE)
    (batch,) = manifest.batches(OURS, 2 * AT_ONCE)
    pieces = manifest.items(batch)
    next(pieces)
    manifest.abandon()
    with pytest.raises(JobEnded):
        next(pieces)


def test_ends_are_counted_once_and_are_ready_until_they_are_reported() -> None:
    manifest = named(3)
    (batch,) = manifest.batches(OURS, 10)
    assert manifest.add({"t1": end(), "stranger": end()}, OURS) == 2
    assert manifest.add({"t1": end(7), "stranger": end(), "t0": end(3)}, OURS) == 1
    assert (manifest.waiting(batch), manifest.ready(batch)) == (1, 2)
    (pairs,) = manifest.ended(batch, RUN)
    assert [(number, task.task_id, task.end.exit_code) for number, task in pairs] == [(0, "t0", 3), (1, "t1", 0)]
    manifest.report(batch, [0, 1])
    assert manifest.add({"t1": end()}, OURS) == 0
    assert (manifest.waiting(batch), manifest.ready(batch)) == (1, 0)
    assert list(manifest.ended(batch, RUN)) == []
    assert list(manifest.unreported(batch)) == [[(2, "input 2", "t2")]]
