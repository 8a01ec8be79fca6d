"""What to do about a check that has failed, and the names that its command is made with."""

import shlex
from datetime import UTC, datetime

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import (
    BatchCredential,
    BatchSharedKey,
    DefaultCredential,
    ManagedIdentity,
    ServicePrincipal,
    StorageAccountKey,
    StorageConnectionString,
    StorageCredential,
    StorageSas,
)
from prefect_azure_batch.tasks.account_names import Names, SignIn, names_of
from prefect_azure_batch.tasks.advice import REMEDIES, Problem, advise
from prefect_azure_batch.tasks.checks import Broken
from prefect_azure_batch.tasks.errors import BadInput, PoolUnusable, ServiceFailure

KEY = "aGlkZGVuIGtleQ=="
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GROUP = '"$(az batch account list --query "[?name==\'lab\'].resourceGroup" -o tsv)"'
BATCH_KEY = BatchSharedKey(account_name="lab", account_key=KEY)
STORAGE_KEY = StorageAccountKey(account_name="labdata", account_key=KEY)
PRINCIPAL = ServicePrincipal(tenant_id="t", client_id="11111111-aaaa", client_secret=KEY)
SAS = StorageSas(sas_token=f"sv=2024-11-04&ss=b&srt=sco&sp=rl&sig={KEY}")


def names(
    batch: BatchCredential = BATCH_KEY,
    storage: StorageCredential = STORAGE_KEY,
    **fields: str,
) -> Names:
    block = AzureBatchAccount(
        endpoint="https://lab.westeurope.batch.azure.com",
        credential=batch,
        storage=AzureStorageCredentials(account_url="https://labdata.blob.core.windows.net", credential=storage),
        **fields,
    )
    return names_of(block, NOW)


def test_what_the_block_knows_stands_in_commands_as_it_is() -> None:
    known = names(subscription_id="sub", resource_group="my group")
    assert (known.batch, known.storage, known.region, known.group) == ("lab", "labdata", "westeurope", "'my group'")
    path = "/subscriptions/sub/resourceGroups/my group/providers/Microsoft.Batch/batchAccounts/lab"
    assert known.batch_id == shlex.quote(path)
    assert known.sas_end == "2026-03-31T12:00Z"


def test_what_the_block_does_not_know_is_asked_for() -> None:
    assert names().group == GROUP
    assert names(resource_group="lab").batch_id == GROUP.replace("resourceGroup", "id")
    assert names().storage_id == '"$(az storage account show --name labdata --query id -o tsv)"'


@pytest.mark.parametrize(
    ("credential", "principal"),
    [
        (PRINCIPAL, "11111111-aaaa"),
        (ManagedIdentity(client_id="22222222-bbbb"), "22222222-bbbb"),
        (ManagedIdentity(), "PRINCIPAL_ID"),
        (DefaultCredential(), '"$(az ad signed-in-user show --query id -o tsv)"'),
    ],
)
def test_roles_are_given_to_who_signs_in(credential: DefaultCredential, principal: str) -> None:
    assert (names(batch=credential).batch_principal, names(storage=credential).storage_principal) == (principal,) * 2


@pytest.mark.parametrize(
    ("credential", "sign_in"),
    [
        (SAS, "sas"),
        (PRINCIPAL, "token"),
        (StorageConnectionString(connection_string=f"AccountName=labdata;AccountKey={KEY}"), "key"),
    ],
)
def test_storage_is_signed_in_to_by_what_the_credential_holds(credential: StorageCredential, sign_in: SignIn) -> None:
    block = AzureStorageCredentials(
        account_url=None
        if isinstance(credential, StorageConnectionString)
        else "https://labdata.blob.core.windows.net",
        credential=credential,
    )
    account = AzureBatchAccount(
        endpoint="https://lab.westeurope.batch.azure.com", credential=DefaultCredential(), storage=block
    )
    assert names_of(account, NOW).storage_sign_in == sign_in


@pytest.mark.parametrize(
    ("step", "problem", "known", "command"),
    [
        (
            "batch",
            Problem("", "AuthenticationFailed", 403),
            names(),
            f"az batch account keys list --name lab --resource-group {GROUP}",
        ),
        (
            "batch",
            Problem("", "NoAnswer"),
            names(resource_group="g"),
            "az batch account show --name lab --resource-group g --query accountEndpoint -o tsv",
        ),
        ("batch", Problem("", "NoToken"), names(DefaultCredential()), "az login"),
        (
            "jobs",
            Problem("", "AuthorizationFailure", 403),
            names(PRINCIPAL, resource_group="g", subscription_id="s"),
            'az role assignment create --assignee 11111111-aaaa --role "Azure Batch Data Contributor" --scope '
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/lab",
        ),
        (
            "storage",
            Problem("", "AuthenticationFailed", 403),
            names(),
            "az storage account keys list --account-name labdata",
        ),
        (
            "blobs",
            Problem("", "AuthorizationPermissionMismatch", 403),
            names(storage=PRINCIPAL),
            'az role assignment create --assignee 11111111-aaaa --role "Storage Blob Data Contributor" --scope '
            '"$(az storage account show --name labdata --query id -o tsv)"',
        ),
        (
            "delegation",
            Problem("", "AuthorizationPermissionMismatch", 403),
            names(storage=PRINCIPAL),
            'az role assignment create --assignee 11111111-aaaa --role "Storage Blob Delegator" --scope '
            '"$(az storage account show --name labdata --query id -o tsv)"',
        ),
        (
            "blobs",
            Problem("", "AuthorizationPermissionMismatch", 403),
            names(storage=SAS),
            "az storage account generate-sas --account-name labdata --services b --resource-types co "
            "--permissions cdlrw --expiry 2026-03-31T12:00Z --https-only -o tsv",
        ),
        (
            "links",
            Problem("Could not write: The SAS does not permit 'c'"),
            names(storage=SAS),
            "az storage account generate-sas --account-name labdata --services b --resource-types co "
            "--permissions cdlrw --expiry 2026-03-31T12:00Z --https-only -o tsv",
        ),
        (
            "blobs",
            Problem("", "KeyBasedAuthenticationNotPermitted", 403),
            names(),
            "az storage account update --name labdata --allow-shared-key-access true",
        ),
        (
            "storage",
            Problem("", "AuthorizationFailure", 403),
            names(storage=PRINCIPAL),
            "az storage account show --name labdata --query networkRuleSet",
        ),
        (
            "pools",
            Problem("vmSize: unknown"),
            names(),
            "az batch location list-skus --location westeurope --query '[].name' -o tsv",
        ),
    ],
)
def test_the_command_that_mends_it(step: str, problem: Problem, known: Names, command: str) -> None:
    found = advise(step, problem, known)
    assert (found.name, found.state, found.command) == (step, "failed", command)
    assert found.advice


def test_every_remedy_can_be_had_and_is_one_line() -> None:
    known = names()
    for remedy in REMEDIES:
        problem = Problem(next(iter(remedy.words), ""), next(iter(remedy.codes), ""), next(iter(remedy.statuses), None))
        signed: dict[SignIn | None, StorageCredential] = {"sas": SAS, "token": PRINCIPAL}
        step = next(iter(remedy.steps), "batch")
        fitting = names(PRINCIPAL, signed[remedy.sign_in]) if remedy.sign_in in signed else known
        assert advise(step, problem, fitting).advice == remedy.advice
        assert "\n" not in remedy.advice + remedy.command


def test_what_nobody_knows_of_is_told_all_the_same() -> None:
    found = advise("jobs", Problem("Something new.", "NeverSeen", 418), names())
    assert found.seen == "Something new."
    assert found.advice.startswith("What the service has said stands above")


def test_a_problem_is_told_on_one_line_with_its_notes() -> None:
    error = ServiceFailure("Could not\nwrite.", code="Busy", status=503, retryable=True)
    error.add_note("Left behind: a container.")
    assert Problem.of(error) == Problem("Could not write. Left behind: a container.", "Busy", 503)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ServiceFailure("no answer", retryable=True), "NoAnswer"),
        (ServiceFailure("no token"), "NoToken"),
        (Broken("15 minutes", "ClockSkew"), "ClockSkew"),
        (BadInput("no such image"), ""),
        (PoolUnusable("no node"), ""),
    ],
)
def test_problems_have_codes(error: ServiceFailure, code: str) -> None:
    assert Problem.of(error).code == code
