"""What stages hand on to one another can be stored and sent."""

import pickle
from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest
from pydantic import TypeAdapter

from prefect_azure_batch.tasks.command import parse_template
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.records import Program, Run

RUN = Run("run", "job", "pool", "container", Program("digest", "APP_DIR", "container", "blob"), timedelta(hours=2))


def test_a_run_comes_back_from_json_and_from_a_pickle() -> None:
    adapter = TypeAdapter(Run)
    assert adapter.validate_json(adapter.dump_json(RUN)) == RUN
    assert pickle.loads(pickle.dumps(RUN)) == RUN


def test_a_run_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        RUN.pool_id = "another"  # type: ignore[misc]


def test_a_command_finds_the_program_of_its_run() -> None:
    assert RUN.script(parse_template("{app}/go")) == '"${APP_DIR}"/go'
    with pytest.raises(BadInput, match="no program was given"):
        Run("run", "job", "pool", "container").script(parse_template("{app}/go"))
