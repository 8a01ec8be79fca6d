"""deployments/azure.bicep, as far as it can be judged without the Bicep compiler: its grammar, names and values.

The grammar is that of editors (tree-sitter). What the Batch account is made with is looked up in the SDK.
"""

import re
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import tree_sitter_bicep
from azure.mgmt.batch import BatchManagementClient, models
from azure.mgmt.batch._utils.model_base import Model
from tree_sitter import Language, Node, Parser

from localbatch.credentials import LocalCredential

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "azure.md").read_text(encoding="utf-8")
DECLARATIONS = {"parameter_declaration", "variable_declaration", "resource_declaration"}
DECORATORS = {"description", "minLength", "maxLength", "allowed"}
FUNCTIONS = {"resourceGroup", "subscription", "uniqueString", "guid", "subscriptionResourceId"}
ROLE_IDS = {
    "batchDataContributor": "Azure Batch Data Contributor",
    "storageBlobDataContributor": "Storage Blob Data Contributor",
    "managedIdentityOperator": "Managed Identity Operator",
}


@cache
def tree() -> Node:
    source = (ROOT / "deployments" / "azure.bicep").read_bytes()
    return Parser(Language(tree_sitter_bicep.language())).parse(source).root_node


def text(node: Node | None) -> str:
    assert node is not None
    assert node.text is not None
    return node.text.decode()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def declared(kind: str) -> dict[str, Node]:
    """Declarations of a kind by their names."""
    found = [node for node in walk(tree()) if node.type == kind]
    return {text(next(child for child in node.children if child.type == "identifier")): node for node in found}


def used() -> Iterator[str]:
    """Every name that stands for something declared elsewhere, or for a function."""
    for node in walk(tree()):
        if node.type != "identifier" or node.parent is None:
            continue
        names_itself = node.parent.type in {*DECLARATIONS, "output_declaration", "object_property"}
        if not (names_itself and node == next(child for child in node.parent.children if child.type == "identifier")):
            yield text(node)


def keys(value: Node) -> dict[str, Node]:
    """Keys and values of an object."""
    assert value.type == "object"
    pairs = [node.named_children for node in value.named_children if node.type == "object_property"]
    return {text(pair[0]): pair[-1] for pair in pairs}


def body(resource: str) -> dict[str, Node]:
    return keys(declared("resource_declaration")[resource].named_children[-1])


def test_it_follows_the_grammar() -> None:
    assert not tree().has_error
    assert [node.type for node in walk(tree()) if node.is_missing] == []


def test_every_name_is_declared_and_every_declaration_used() -> None:
    values = set(declared("parameter_declaration")) | set(declared("variable_declaration"))
    resources = set(declared("resource_declaration"))
    names = set(used())
    assert names - values - resources == DECORATORS | FUNCTIONS
    assert values <= names
    roles = {name for name in resources if "scope" in body(name)}
    assert resources - roles <= names


def test_every_parameter_says_what_it_is_for() -> None:
    for name, node in {**declared("parameter_declaration"), **declared("output_declaration")}.items():
        before = node.prev_named_sibling
        assert before is not None, name
        assert "@description(" in text(before), name


def test_the_batch_account_is_made_by_the_version_and_the_names_of_the_sdk() -> None:
    kind, _, version = text(declared("resource_declaration")["batch"].named_children[1]).strip("'").partition("@")
    client = BatchManagementClient(LocalCredential(b"k" * 32), "any")
    assert (kind, version) == ("Microsoft.Batch/batchAccounts", client._config.api_version)
    _check(body("batch")["properties"], models.BatchAccountCreateProperties)


def _check(value: Node, model: type[Model]) -> None:
    """Looks up each key of an object among the fields of a model, and its value among those of an enumeration."""
    fields = {field._rest_name: name for name, field in model()._attr_to_rest_field.items()}
    hints = get_type_hints(model, localns={"_models": models})
    for key, node in keys(value).items():
        assert key in fields, f"{model.__name__} has no {key}"
        kinds = [part for part in _parts(hints[fields[key]]) if isinstance(part, type)]
        if node.type == "object":
            (nested,) = {part for part in kinds if issubclass(part, Model)}
            _check(node, nested)
        for kind in kinds:
            if issubclass(kind, Enum):
                words = set(re.findall(r"'(\w+)'", text(node)))
                assert words
                assert words <= {member.value for member in kind}


def _parts(hint: Any) -> Iterator[Any]:
    """A type and all that it is made of."""
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def test_roles_have_the_ids_that_the_page_gives() -> None:
    for name, role in ROLE_IDS.items():
        value = text(declared("variable_declaration")[name].named_children[-1]).strip("'")
        assert f"| {role} | `{value}` |" in PAGE


def test_every_role_is_given_to_one_on_something_that_is_made_here() -> None:
    given = {
        name: (text(body(name)["scope"]), text(keys(body(name)["properties"])["roleDefinitionId"]))
        for name in declared("resource_declaration")
        if "scope" in body(name)
    }
    roles = {name: (scope, re.findall(r"(\w+)\)$", role)[0]) for name, (scope, role) in given.items()}
    assert roles == {
        "nodesUseBlobs": ("storage", "storageBlobDataContributor"),
        "userUsesBatch": ("batch", "batchDataContributor"),
        "userUsesBlobs": ("storage", "storageBlobDataContributor"),
        "userGivesIdentity": ("nodes", "managedIdentityOperator"),
    }


def test_no_key_or_secret_is_given_out() -> None:
    outputs = " ".join(text(node) for node in declared("output_declaration").values())
    assert not re.search(r"listKeys|listAccountSas|secure", outputs, re.IGNORECASE)
