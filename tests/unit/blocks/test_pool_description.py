"""What a pool shall be: what is refused, and what is told then."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from prefect_azure_batch.blocks import pool_parts
from prefect_azure_batch.blocks.pool_description import PoolDescription, first_complaint
from prefect_azure_batch.blocks.pool_parts import Needs
from prefect_azure_batch.flows.pool_file import read_pool_file
from prefect_azure_batch.tasks.errors import BadInput

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples" / "pools").glob("*.yaml"))
PARTS = [
    kind
    for kind in vars(pool_parts).values()
    if isinstance(kind, type) and issubclass(kind, pool_parts.Part) and not kind.__name__.startswith("_")
]
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
BLOBS = {"kind": "blob", "container": "c", "path": "x", "identity": IDENTITY}
IMAGE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/galleries/g/images/i/versions/1.0.0"
SUBNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"vmsize": "x"}, "there is no key 'vmsize': did you mean 'vm_size'?"),
        ({"start_task": {"comand": "x"}}, "start_task: there is no key 'comand': did you mean 'command'?"),
        ({"spot": 3}, "there is no key 'spot': did you mean 'spot_nodes'?"),
        ({"subnet_id": SUBNET}, "there is no key 'subnet_id': did you mean 'network.subnet'?"),
        ({"gpus": 1}, "there is no key 'gpus': did you mean 'needs.gpus'?"),
        ({"target_node_communication_mode": "simplified"}, "has no choice of how nodes are reached: all of them use"),
        ({"network": {"zone": "x"}}, "network: there is no key 'zone': there are subnet, public_ip, "),
        ({"nodes": "four"}, "nodes: Input should be a valid integer"),
        ({"needs": {"cpus": 2}, "vm_size": "standard_d2s_v5"}, "needs: they are there to find a vm_size"),
        ({"needs": {"memory": 2}}, "needs: there is no key 'memory': did you mean 'memory_gib'?"),
        ({"nodes": 10_001}, "nodes: Input should be less than or equal to 10000"),
        ({"nodes": True}, "nodes: true stands there, which YAML reads from yes and no, too"),
        ({"packages": "a:1"}, "packages: it must be a list, not 'a:1'"),
        ({"start_task": "make"}, "start_task: it must hold keys and values, not 'make'"),
        ({"start_task": {"command": "x", "files": ["http://h/f"]}}, "start_task.files: 'http://h/f' is no https link"),
        ({"environment": {"A": 1}}, "environment.A: it must be a text: put it in quotes, not 1"),
        ({"environment": {"A=B": "x"}}, "environment: 'A=B' is no name of a variable"),
        ({"environment": {"AZ_BATCH_X": "x"}}, "environment: 'AZ_BATCH_X' is set by Batch"),
        ({"autoscale": {"hours": [8, 18]}}, "autoscale: hours: it is for the scenario working-hours, not pending"),
        ({"users": [{"name": "a b", "password_secret": "s"}]}, "users[0].name: 'a b' is no user's name: 1 to 20 "),
        ({"users": [{"name": "a"}]}, "users[0].password_secret: it is missing"),
        ({"nodes": 0}, "nodes: a pool needs a node, dedicated or spot"),
        ({"slots": 257}, "slots: Input should be less than or equal to 256, not 257"),
        ({"vm_size": "Standard D2"}, "vm_size: 'Standard D2' is no VM size"),
        ({"existing": "p", "slots": 4}, "slots: the pool 'p' is there already"),
        ({"image": "ubuntu"}, "image: 'ubuntu' is neither publisher:offer:sku"),
        ({"image": "/subscriptions/s"}, "image: '/subscriptions/s' is no resource id of this kind"),
        ({"image": IMAGE}, "node_agent: an image of your own needs it"),
        ({"image": "a:b:c", "node_agent": "x"}, "node_agent: the account knows that"),
        ({"packages": ["a b"]}, "packages: 'a b' is no application package"),
        ({"packages": [f"a:{number}" for number in range(11)]}, "packages: a pool has 10 at most, not 11"),
        (
            {"metadata": {"prefect-azure-batch-run": "x"}},
            "metadata: 'prefect-azure-batch-run' is set by the flow: take",
        ),
        ({"environment": {1: "x"}}, "environment[1]: it must be a text: put it in quotes, not 1"),
        ({"autoscale": {"min_nodes": 3}}, "autoscale.min_nodes: 3 are more than the pool's 2"),
        ({"autoscale": {"formula": "x", "scenario": "drain"}}, "autoscale: formula: it goes without a scenario"),
        (
            {"autoscale": {"scenario": "working-hours", "hours": [18, 8]}},
            "autoscale.hours: [18, 8] is no span",
        ),
        ({"container": {"image": "i", "registries": [{"server": "s"}]}}, "container.registries[0]: sign in either by"),
        ({"network": {"public_ip": False}}, "network: public_ip: nodes without a public address need a subnet"),
        ({"network": {"subnet": "batch"}}, "network: 'batch' is no resource id of this kind"),
        ({"identities": ["nodes"]}, "identities: 'nodes' is no resource id of this kind"),
        ({"storage_identity": "nodes"}, "storage_identity: 'nodes' is no resource id of this kind"),
        ({"storage_identity": IDENTITY}, "is none of the identities: add it there"),
        ({"mounts": [BLOBS]}, f"mounts[0].identity: {IDENTITY!r} is none of the identities: add it there"),
        (
            {"container": {"image": "i", "registries": [{"server": "s", "identity": IDENTITY}]}},
            "container.registries[0].identity: ",
        ),
        ({"mounts": [{}]}, "mounts[0]: kind: it is missing"),
        ({"mounts": [{"kind": "smb", "path": "x"}]}, "mounts[0]: kind: it must be one of 'blob', 'nfs', 'files', not"),
        ({"mounts": [{"kind": "blob", "container": "c", "path": "/x"}]}, "mounts[0].path: '/x' is no relative path"),
        ({"mounts": [{"kind": "blob", "container": "c", "path": "x"}]}, "mounts[0]: sign in either by key_secret"),
        ({"mounts": [{"kind": "files", "url": "x", "path": "x", "key_secret": "k"}]}, "mounts[0].url: 'x' is no"),
        ({"mounts": [{"kind": "nfs", "source": "s", "path": "x"}] * 2}, "mounts: 'x' stands there twice"),
    ],
)
def test_what_cannot_be_is_told_with_its_key(content: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        PoolDescription.model_validate(content)
    assert complaint in first_complaint(refused.value)
    assert "\n" not in first_complaint(refused.value)


@pytest.mark.parametrize("part", [PoolDescription, *PARTS])
def test_every_key_has_a_title(part: type[BaseModel]) -> None:
    assert [name for name, field in part.model_fields.items() if not field.title and name != "kind"] == []


def test_a_pool_without_a_word_has_two_dedicated_nodes_and_one_of_spot_none() -> None:
    assert PoolDescription().dedicated_nodes == 2
    assert (PoolDescription(spot_nodes=3).dedicated_nodes, PoolDescription(spot_nodes=3).size) == (0, 3)


@pytest.mark.parametrize(
    ("content", "identity"),
    [
        ({}, None),
        ({"identities": [IDENTITY, f"{IDENTITY}2"]}, IDENTITY),
        (
            {"identities": [IDENTITY, f"{IDENTITY}2"], "storage_identity": f"{IDENTITY}2".upper()},
            f"{IDENTITY}2".upper(),
        ),
        ({"identities": [IDENTITY], "storage_identity": "none"}, None),
        ({"existing": "p"}, None),
        ({"existing": "p", "storage_identity": IDENTITY}, IDENTITY),
    ],
)
def test_nodes_reach_storage_by_the_first_of_their_identities_unless_another_is_named(
    content: dict[str, Any], identity: str | None
) -> None:
    assert PoolDescription.model_validate(content).node_identity == identity


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"network": {"subnet": SUBNET, "public_ip": False}}, "network.subnet"),
        (
            {"network": {"public_ips": [SUBNET.replace("virtualNetworks/v/subnets", "publicIPAddresses")]}},
            "network.public_ips",
        ),
        ({"image": IMAGE, "node_agent": "batch.node.ubuntu 24.04"}, "image"),
        ({"image": "a:b:c", "network": {"accelerated": True}}, None),
    ],
)
def test_what_links_a_pool_to_resources_of_its_user_is_known(content: dict[str, Any], key: str | None) -> None:
    assert PoolDescription.model_validate(content).linked == key


def test_options_go_before_what_stands_there() -> None:
    both = PoolDescription(nodes=4, slots=2).overridden({"nodes": 8, "slots": None, "vm_size": "standard_d4s_v3"})
    assert both == PoolDescription(nodes=8, slots=2, vm_size="standard_d4s_v3")
    needy = PoolDescription(needs=Needs(cpus=8)).overridden({"vm_size": "standard_d4s_v3"})
    assert needy == PoolDescription(vm_size="standard_d4s_v3")


def test_a_description_can_be_written_down_and_read_again() -> None:
    for path in EXAMPLES:
        asked = read_pool_file(str(path))
        assert PoolDescription.model_validate_json(asked.model_dump_json(exclude_unset=True)) == asked


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_say_something(path: Path) -> None:
    assert read_pool_file(str(path)).model_fields_set == set(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "cannot be read: No such file"),
        ("nodes: [", "cannot be read: while parsing"),
        ("nodes: 1\nslots: 2\nnodes: 3", "the key 'nodes' stands there twice"),
        ("- 1", "holds no keys"),
        ("", "holds no keys"),
        ("nodez: 1", "there is no key 'nodez': did you mean 'nodes'?"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None, complaint: str) -> None:
    path = tmp_path / "pool.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_pool_file(str(path))
    assert complaint in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_plain_words_are_what_they_look_like(tmp_path: Path) -> None:
    path = tmp_path / "pool.yaml"
    path.write_text(
        "nodes: 010\nenvironment: {ANSWER: yes, AT: 1:30, ON: 2026-01-01}\nstart_task: {command: x, wait: false}"
    )
    asked = read_pool_file(str(path))
    assert (asked.nodes, asked.environment) == (10, {"ANSWER": "yes", "AT": "1:30", "ON": "2026-01-01"})
    assert asked.start_task is not None
    assert asked.start_task.wait is False
    path.write_text("nodes: yes")
    with pytest.raises(BadInput, match=r"nodes: Input should be a valid integer.*, not 'yes'"):
        read_pool_file(str(path))


def test_the_page_names_every_key() -> None:
    page = (ROOT / "docs" / "pools.md").read_text()
    parts: list[type[BaseModel]] = [PoolDescription, *PARTS]
    keys = {name for part in parts for name in part.model_fields}
    assert {key for key in keys if f"`{key}`" not in page} == set()
