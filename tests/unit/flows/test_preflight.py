"""What is refused before anything starts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from localbatch.launcher import CONNECTION_VARIABLE
from prefect_azure_batch.blocks.pool_parts import Day
from prefect_azure_batch.flows.account import open_account
from prefect_azure_batch.flows.arguments import parse_arguments
from prefect_azure_batch.flows.entries import EXPLAIN, MAP
from prefect_azure_batch.flows.explain_parameters import ExplainParameters
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_parameters import MpiParameters
from prefect_azure_batch.flows.option_groups import GROUPS
from prefect_azure_batch.flows.pools import warn_of_size
from prefect_azure_batch.flows.preflight import check_locally, check_running
from prefect_azure_batch.tasks.errors import BadInput


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("results", [None, "results/mine"])
def test_results_that_cannot_be_kept_are_refused(directory: Path, results: str | None) -> None:
    (directory / "results").write_text("a file")
    with pytest.raises(BadInput, match=r"results directory .*results.* cannot be made, .* is no directory"):
        check_locally(MapParameters(results=results))


def test_a_working_directory_that_is_gone_is_told(directory: Path) -> None:
    directory.rmdir()
    with pytest.raises(BadInput, match=r"results directory .* cannot be written to"):
        check_locally(MapParameters())


@pytest.mark.parametrize("connection", [None, ""])
def test_there_is_nothing_to_explain_where_no_account_is_named(
    monkeypatch: pytest.MonkeyPatch, connection: str | None
) -> None:
    monkeypatch.delenv(CONNECTION_VARIABLE, raising=False)
    if connection is not None:
        monkeypatch.setenv(CONNECTION_VARIABLE, connection)
    with pytest.raises(BadInput, match="Name an account block with --account"):
        check_running(ExplainParameters())


def test_no_job_is_not_all_jobs() -> None:
    with pytest.raises(BadInput, match=r"^--job: "):
        parse_arguments(EXPLAIN, ["--job", ""])


@pytest.mark.parametrize("vm_size", ["x y", "", "standard-d2", "größe"])
def test_what_is_no_vm_size_is_refused(vm_size: str) -> None:
    with pytest.raises(ValueError, match=r"vm.size"):
        MapParameters(vm_size=vm_size)


def test_exit_codes_may_stand_in_one_word_or_in_several() -> None:
    for given in (["75,137"], ["75", "137"], [75, 137]):
        assert MapParameters.model_validate({"retry_on": given, "retries": 1}).retry_on == [75, 137]


@pytest.mark.parametrize("results", ["AZ://c/p", "azz://c/p", "az:/c/p", "https://host/c"])
def test_results_that_look_like_a_link_are_no_directory(results: str) -> None:
    with pytest.raises(ValueError, match=r"neither az://container/prefix nor a local directory"):
        MapParameters(results=results)


@pytest.mark.parametrize(
    "asked", [{"retry_on": [75]}, {"retry_on": [0], "retries": 1}, {"retry_on": ["x"], "retries": 1}]
)
def test_exit_codes_that_cannot_be_meant_are_refused(asked: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="retry"):
        MapParameters.model_validate(asked)


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"stop_on": [0]}, "--stop-on: exit codes of failures lie between 1 and 255"),
        ({"succeed_on": [256]}, "--succeed-on: exit codes of failures"),
        ({"succeed_on": ["3"], "stop_on": [3]}, "--stop-on: the exit code 3 stands in --succeed-on, too"),
        ({"retry_on": [75], "retries": 1, "succeed_on": [75]}, "--succeed-on: the exit code 75 stands in --retry-on"),
        ({"stop_on": [64], "retries": 2}, "--stop-on: with --retries alone"),
    ],
)
def test_an_exit_code_means_one_thing(asked: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        MapParameters.model_validate(asked)


@pytest.mark.parametrize(
    "given", ["TOKEN=hunter2", "1=hunter2", "AZ_BATCH_X=prefect:hunter2", "TOKEN=keyvault:hunter2"]
)
def test_what_was_given_in_place_of_a_secrets_name_is_not_shown(given: str) -> None:
    with pytest.raises(BadInput, match=r"^--secret: ") as refused:
        parse_arguments(MAP, ["--inputs", "x", "--command", "true", "--secret", given])
    assert "hunter2" not in str(refused.value)
    with pytest.raises(ValidationError) as invalid:
        MapParameters.model_validate({"inputs": ["x"], "command": "true", "secret": [given]})
    assert "hunter2" not in str(invalid.value)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--env", "A=1", "A=2"], "'A' is given twice"),
        (["--secret", "A=prefect:a", "A=prefect:b"], "'A' is given twice"),
        (["--secret", "PATH=prefect:a"], "'PATH' is a variable that shells"),
        (["--teardown-minutes", "3"], "--teardown-minutes: it is for --teardown"),
        (["--sweep", "x=1,2", "--sweep-zip"], "--sweep-zip: it puts several"),
        (["--inputs", "ftp://host/x"], "is neither az://container/prefix nor a link"),
    ],
)
def test_options_that_mean_nothing_or_two_things_are_refused(words: list[str], complaint: str) -> None:
    inputs = [] if {"--inputs", "--sweep"} & set(words) else ["--inputs", "x"]
    with pytest.raises(BadInput, match=complaint):
        check_locally(parse_arguments(MAP, [*inputs, "--command", "true", *words]).run)  # type: ignore[arg-type]


def test_a_variable_has_one_source() -> None:
    with pytest.raises(ValueError, match="--secret: 'TOKEN' stands in --env, too"):
        MapParameters(inputs=["x"], command="true", env={"TOKEN": "a"}, secret={"TOKEN": "prefect:b"})


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({}, "the nodes of a local Azure have no managed identity"),
        ({"account": "lab"}, "nodes read Key Vault by an identity, and the pool has none"),
    ],
)
def test_key_vault_needs_nodes_with_an_identity(directory: Path, asked: dict[str, str], complaint: str) -> None:
    link = "keyvault:https://lab.vault.azure.net/secrets/token"
    with pytest.raises(BadInput, match=f"^--secret: {complaint}"):
        check_locally(MapParameters.model_validate({**asked, "secret": {"TOKEN": link}}))


@pytest.mark.parametrize("line", ["", "{}", '{"batch_endpoint": 7}', "no json"])
def test_a_local_azure_that_cannot_be_reached_is_bad_input(
    directory: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    (directory / "azure.json").write_text(line)
    monkeypatch.setenv(CONNECTION_VARIABLE, "azure.json")
    with pytest.raises(BadInput, match=r"azure\.json"), open_account():
        pass


def test_a_run_that_ends_before_its_pool_works_is_refused_before_anything_starts() -> None:
    hour = datetime.now(UTC).hour
    for offset, works in ((0, True), (-2, False)):
        scale = {
            "scenario": "working-hours",
            "hours": (hour, hour + 1),
            "days": get_args(Day),
            "utc_offset_hours": offset,
        }
        asked = MapParameters.model_validate({"new_pool": {"nodes": 1, "autoscale": scale}, "hours": 0.5})
        if works:
            check_locally(asked)
        else:
            with pytest.raises(BadInput, match=r"^autoscale: the working hours begin on "):
                check_locally(asked)


@pytest.mark.parametrize(("asked", "told"), [({"nodes": 2000}, True), ({"nodes": 64}, False), ({"spot": 65}, True)])
def test_very_many_nodes_on_one_machine_are_told(
    caplog: pytest.LogCaptureFixture, asked: dict[str, int], told: bool
) -> None:
    warn_of_size(MapParameters.model_validate(asked))
    warn_of_size(MapParameters.model_validate({**asked, "account": "lab"}))
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == (
        [f"The pool asks for {max(asked.values())} nodes"] if told else []
    )


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({}, "map: example"),
        ({"inputs": ["a"], "command": "wc  -c <\n{input}", "plan": True}, "plan of map: wc -c < {input}"),
        ({"inputs": ["a"], "command": "x" * 100}, f"map: {'x' * 60}..."),
    ],
)
def test_a_flow_run_is_called_by_what_it_does(asked: dict[str, object], name: str) -> None:
    assert MapParameters.model_validate(asked).run_name == name


def test_every_parameter_of_a_run_has_one_group_in_the_help() -> None:
    grouped = [name for names in GROUPS.values() for name in names]
    assert len(grouped) == len(set(grouped))
    assert {*MapParameters.model_fields, *MpiParameters.model_fields} == set(grouped)
