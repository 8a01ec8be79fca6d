"""Ids made from what is run."""

import re

from hypothesis import given
from hypothesis import strategies as st

from prefect_azure_batch.tasks.names import blob_name, digest, multi_instance_id, package_variable, task_id, work_id


@given(st.text(), st.text())
def test_every_task_id_is_one_that_batch_accepts(name: str, version: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", task_id("work", name, version))


def test_the_same_work_has_the_same_id() -> None:
    assert work_id("p", "cat", ("*.txt",)) == work_id("p", "cat", ["*.txt"])
    assert task_id("work", "a.txt", "v") == task_id("work", "a.txt", "v")


def test_other_work_has_another_id() -> None:
    works = {work_id("p", "cat", ()), work_id("p", "wc", ()), work_id("q", "cat", ()), work_id("p", "cat", ("*",))}
    assert len(works) == 4
    tasks = {
        task_id("work", "x.txt", "v"),
        task_id("work", "y.txt", "v"),
        task_id("work", "x.txt", "w"),
        task_id("other", "x.txt", "v"),
        task_id("work", "x.txt", "v", "twin 1"),
    }
    assert len(tasks) == 5


def test_an_id_begins_with_the_name_of_the_input() -> None:
    assert task_id("work", "sample 7.txt", "v").startswith("sample-7-")


def test_an_mpi_task_has_an_id_of_its_work() -> None:
    assert re.fullmatch(r"mpi-[0-9a-f]{12}", multi_instance_id("p", "3", "run"))
    assert multi_instance_id("p", "3", "run") == multi_instance_id("p", "3", "run")
    assert len({multi_instance_id(*parts) for parts in (("p", "3"), ("q", "3"), ("p", "4"), ("p", "3", ""))}) == 4


def test_texts_in_a_digest_are_kept_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")


@given(st.text())
def test_every_blob_name_is_plain(name: str) -> None:
    assert re.fullmatch(r"inputs/d+/[A-Za-z0-9._-]+", blob_name("inputs", "d" * 64, name))


def test_the_variable_of_a_package_has_underscores_only_where_linux_needs_them() -> None:
    assert package_variable("my-app.x", "1.0#2") == "AZ_BATCH_APP_PACKAGE_my_app_x_1_0_2"
