"""Forms of Prefect's UI: that they can be filled in, what they send, and what is told of what is wrong.

What a form does with a schema was seen in the UI of Prefect 3.8; tests/e2e/test_prefect_ui.py looks at some there.
"""

from typing import Any, get_args

import pytest
from prefect import Flow
from prefect.blocks.core import Block
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from pydantic import TypeAdapter

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import BatchCredential, StorageCredential
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.blocks.pool_parts import Mount
from prefect_azure_batch.flows.asked import Asked
from prefect_azure_batch.flows.check_flow import check_flow
from prefect_azure_batch.flows.explain import explain
from prefect_azure_batch.flows.form_words import naming_fields
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.mpi_flow import mpi_flow
from prefect_azure_batch.flows.option_groups import GROUPS
from prefect_azure_batch.flows.upkeep_flow import upkeep_flow
from prefect_azure_batch.tasks.errors import BadInput

Schema = dict[str, Any]
FLOWS = (map_flow, mpi_flow, check_flow, explain, upkeep_flow)
BLOCKS = (AzureBatchAccount, AzureBatchPool, AzureStorageCredentials)


def form_of_run(flow: Flow[..., Any]) -> Schema:
    return parameter_schema(flow.fn).model_dump()


FORMS = [
    *(pytest.param(form_of_run(flow), id=flow.name) for flow in FLOWS),
    *(pytest.param(block.model_json_schema(), id=block.__name__) for block in BLOCKS),
]


def models_of(form: Schema) -> list[Schema]:
    """The models whose fields a form shows, without the single argument of a flow."""
    return [each for each in (form, *form["definitions"].values()) if "run" not in each.get("properties", {})]


def fields_of(form: Schema) -> list[Schema]:
    fields = [field for model in models_of(form) for field in model.get("properties", {}).values()]
    return [form["definitions"].get(field.get("$ref", "").rpartition("/")[2], {}) | field for field in fields]


def first_sent(model: Schema) -> Schema:
    """What a form sends of a model in which nothing was filled in: the defaults of its schema."""
    return {name: field["default"] for name, field in model["properties"].items() if "default" in field}


@pytest.mark.parametrize("form", FORMS)
def test_every_field_has_a_title_and_says_what_it_is_for(form: Schema) -> None:
    for field in fields_of(form):
        assert field["title"][0].isupper()
        assert field["description"].endswith((".", "...")), field
        assert "--" not in field["description"], "options are for the command line"


@pytest.mark.parametrize("form", FORMS)
def test_what_may_be_left_out_is_an_empty_field_and_tabs_stay_where_they_were_clicked(form: Schema) -> None:
    for field in fields_of(form):
        assert "oneOf" not in field
        if {"type": "null"} in field.get("anyOf", []):
            assert "$ref" in field["anyOf"][0], field["title"]


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_form_in_which_nothing_was_filled_in_can_be_sent(flow: Flow[..., Any]) -> None:
    form = form_of_run(flow)
    (argument,) = form["properties"].values()
    assert argument["default"] == {}
    sent = first_sent(form["definitions"][argument["$ref"].rpartition("/")[2]])
    assert flow.validate_parameters({"run": sent})["run"] == type(flow.validate_parameters({})["run"])()


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_what_is_most_asked_for_stands_first(flow: Flow[..., Any]) -> None:
    form = form_of_run(flow)
    name = form["properties"]["run"]["$ref"].rpartition("/")[2]
    fields = form["definitions"][name]["properties"].values()
    assert sorted(field["position"] for field in fields) == [*range(len(fields))]
    titles = [field["title"] for field in sorted(fields, key=lambda field: field["position"])]
    assert titles[0] in ("Inputs", "Common files", "Job", "Account")
    groups = [title.partition(" — ")[0] for title in titles if " — " in title]
    assert groups == [group for group in GROUPS if group in groups]


@pytest.mark.parametrize(
    "said",
    [
        {"existing": "mine"},
        {"needs": {"cpus": 4}},
        {"autoscale": {"formula": "$TargetDedicatedNodes = 1;"}},
        {"autoscale": {"min_nodes": 1}},
    ],
)
def test_the_form_of_a_pool_says_no_more_than_was_filled_in(said: Schema) -> None:
    form = PoolDescription.model_json_schema()
    sent = first_sent(form)
    for name, value in said.items():
        sent[name] = first_sent(form["$defs"][name.title()]) | value if isinstance(value, dict) else value
    assert PoolDescription.model_validate(sent) == PoolDescription.model_validate(said)
    assert PoolDescription.model_validate(sent).model_fields_set == {*said}


def shown_tab(members: list[Schema], value: Schema) -> int:
    """The tab that a form shows for a value: the member that is the value, or the first with most of its keys."""
    constant = [number for number, member in enumerate(members) if member.get("const") == value]
    shared = [len(value.keys() & member.get("properties", {}).keys()) for member in members]
    return constant[0] if constant else shared.index(max(shared))


@pytest.mark.parametrize(
    ("union", "values"),
    [
        (StorageCredential, {"tenant_id": "t", "sas_token": "sv=1&sig=c2VjcmV0", "account_name": "lab",
                             "connection_string": "AccountName=lab;AccountKey=c2VjcmV0"}),
        (BatchCredential, {"tenant_id": "t", "account_name": "lab"}),
        (Mount, {"path": "x", "url": "https://lab.file.core.windows.net/s"}),
    ],
    ids=["storage", "batch", "mounts"],
)  # fmt: skip
def test_each_member_of_a_union_can_be_filled_in_and_is_told_by_what_was(union: Any, values: Schema) -> None:
    form = TypeAdapter(union).json_schema()
    refs = [option["$ref"] for option in form.get("anyOf") or form["oneOf"]]
    members = [form["$defs"][ref.rpartition("/")[2]] for ref in refs]
    models = get_args(get_args(union)[0])
    for number, (member, model) in enumerate(zip(members, models, strict=True)):
        if "const" in member:
            assert shown_tab(members, member["const"]) == number
            assert type(TypeAdapter(union).validate_python(member["const"])) is model
            continue
        sent = first_sent(member)
        fields = sorted(member["properties"].items(), key=lambda field: field[1].get("position", 0))
        for name, field in fields:
            if name in member["required"] or name == "client_id":
                sent.setdefault(name, values.get(name, "c2VjcmV0"))
            if sent:
                assert shown_tab(members, sent) == number, (field["title"], sent)
        if model.__name__ == "BlobMount":
            sent["key_secret"] = "key"
        read = TypeAdapter(union).validate_python(sent)
        assert type(read) is model
        saved = {"kind": read.kind} | sent
        assert shown_tab(members, saved) == number


@pytest.mark.parametrize("block", [AzureStorageCredentials, AzureBatchAccount])
def test_secrets_are_typed_into_fields_that_do_not_show_them(block: type[Block]) -> None:
    form = block.model_json_schema()
    hidden = {
        name
        for model in form["definitions"].values()
        for name, field in model.get("properties", {}).items()
        if field.get("format") == "password"
    }
    assert hidden == {name.rpartition(".")[2] for name in form["secret_fields"]} | (
        {"connection_string", "sas_token"} if block is AzureBatchAccount else set()
    )


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ({"nodes": -3}, '"Nodes": Input should be greater than or equal to 0, not -3'),
        ({"inputs": ["a"]}, '"Inputs" and "Command" go together: "Command" is missing'),
        ({"group_by": "file"}, "\"Group by\": Input should be 'folder', not 'file'"),
        ({"new_pool": {"needs": {"cpus": 0}}}, '"New pool": needs.cpus: Input should be greater than or equal to 1'),
        ({"pool_block": "b", "new_pool": {}}, '"Pool block": it says what "Pool" and "New pool" say: give one of them'),
        ({"secret": {"TOKEN": "hunter2"}}, '"Secrets": TOKEN names no secret: its source is prefect:BLOCK, or '),
        ({"secret": {"TOKEN": 4711}}, '"Secrets": TOKEN: it must be a text: put it in quotes'),
        ({"node": 3}, "node: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_that_names_the_field(run: Schema, told: str) -> None:
    with pytest.raises(ParameterTypeError) as refused:
        map_flow.validate_parameters({"run": run})
    _, line = str(refused.value).splitlines()
    assert line.startswith(f" - run: {told}")
    assert not {"hunter2", "4711"} & set(line.split())


def test_a_deployed_flow_names_fields_and_one_on_a_command_line_options(monkeypatch: pytest.MonkeyPatch) -> None:
    @naming_fields
    def refuse(run: Asked) -> None:
        raise BadInput("--task-minutes: too long; 'grep --color' stays, and --nodes of it.")

    asked = MapParameters()
    with pytest.raises(BadInput, match=r"^--task-minutes: too long"):
        refuse(asked)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "d")
    with pytest.raises(BadInput, match=r"^.Task limit.: too long; 'grep --color' stays, and .Nodes. of it\.$"):
        refuse(run=asked)


def test_what_nobody_has_said_is_not_stored() -> None:
    said = {"inputs": ["a"], "command": "cat {input}", "teardown": "true"}
    assert MapParameters.model_validate(said).model_dump(mode="json") == said
