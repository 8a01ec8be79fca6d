"""What to do about a check that has failed: a table. Pure.

Each row says which failures it is for, what to do, and the command line that does it or shows what is needed for it.
Sources: "Status and error codes" of the Blob and Batch services in the REST references, "Azure built-in roles", and the
reference of the Azure CLI, Microsoft Learn. Azurite answers a wrong key as Azure answers whom a firewall keeps out.
"""

from dataclasses import dataclass

from prefect_azure_batch.tasks.account_names import Names, SignIn
from prefect_azure_batch.tasks.checks import Broken, CheckFinding
from prefect_azure_batch.tasks.errors import BatchFlowError, ServiceFailure

BATCH, STORAGE = ("batch", "jobs", "pools", "run"), ("storage", "blobs", "delegation", "links", "run")
NO_ANSWER, NO_TOKEN = "NoAnswer", "NoToken"


@dataclass(frozen=True)
class Problem:
    """Why a check has failed.

    Attributes:
        text: the error, on one line.
        code: the service's error code; ``NoAnswer`` if there was none, ``NoToken`` if nobody could sign in.
        status: HTTP status; None if there was no answer.
    """

    text: str
    code: str = ""
    status: int | None = None

    @classmethod
    def of(cls, error: BatchFlowError) -> "Problem":
        """The problem that an error tells of."""
        text = " ".join(" ".join((str(error), *getattr(error, "__notes__", []))).split())
        if isinstance(error, Broken):
            return cls(text, error.code)
        if not isinstance(error, ServiceFailure):
            return cls(text)
        silent = (NO_ANSWER if error.retryable else NO_TOKEN) if error.status is None else ""
        return cls(text, error.code or silent, error.status)


@dataclass(frozen=True)
class Remedy:
    """A row of the table. What it says nothing of does not matter.

    Attributes:
        advice: what to do.
        command: a line with names in braces.
        steps: names of the checks that it is for.
        codes: error codes that it is for.
        statuses: HTTP statuses that it is for.
        words: of which one stands in the error.
        sign_in: how the service that the check is about is signed in to.
    """

    advice: str
    command: str = ""
    steps: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    sign_in: SignIn | None = None

    def fits(self, step: str, problem: Problem, names: Names) -> bool:
        """Whether it is for this failure."""
        signed = names.storage_sign_in if step in STORAGE else names.batch_sign_in
        return (
            (not self.steps or step in self.steps)
            and (not self.codes or problem.code in self.codes)
            and (not self.statuses or problem.status in self.statuses)
            and (not self.words or any(word in problem.text for word in self.words))
            and self.sign_in in (None, signed)
        )


_BATCH_KEYS = "az batch account keys list --name {batch} --resource-group {group}"
_STORAGE_KEYS = "az storage account keys list --account-name {storage}"
SHOW_QUOTAS = (
    "az batch account show --name {batch} --resource-group {group} --query '{{dedicated: dedicatedCoreQuota, "
    "spot: lowPriorityCoreQuota, families: dedicatedCoreQuotaPerVmFamily, pools: poolQuota, "
    "jobs: activeJobAndJobScheduleQuota}}'"
)
"""Shows the quotas of the account; with names in braces."""

_MORE_QUOTA = "Ask for more cores in the portal (the Batch account, Quotas, Request quota increase), or take another "
_NEW_SAS = (
    "az storage account generate-sas --account-name {storage} --services b --resource-types co "
    "--permissions cdlrw --expiry {sas_end} --https-only -o tsv"
)
_SIGN_IN_FIRST = "az batch account login --name {batch} --resource-group {group} && "

REMEDIES = (
    Remedy(
        "Set this machine's clock by the network: Azure refuses requests whose time is 15 minutes off.",
        "sudo timedatectl set-ntp true",
        steps=("clock",),
    ),
    Remedy(
        "Sign in on this machine, or give the block a credential that works here.",
        "az login",
        codes=(NO_TOKEN,),
    ),
    Remedy(
        "Compare the endpoint in the block with the account's, and see that this machine's network lets it through.",
        "az batch account show --name {batch} --resource-group {group} --query accountEndpoint -o tsv",
        steps=("batch", "jobs", "pools"),
        codes=(NO_ANSWER,),
    ),
    Remedy(
        "Compare the account URL in the block with the account's, and see that this machine's network lets it through.",
        "az storage account show --name {storage} --query primaryEndpoints.blob -o tsv",
        steps=STORAGE,
        codes=(NO_ANSWER,),
    ),
    Remedy(
        "See that this machine's network lets requests to Azure Resource Manager through.",
        steps=("management", "quotas"),
        codes=(NO_ANSWER,),
    ),
    Remedy(
        "The key is not one of the Batch account's, or that takes no keys: put one of these two into the block, or "
        "another kind of credential.",
        _BATCH_KEYS,
        steps=("batch",),
        statuses=(401, 403),
        sign_in="key",
    ),
    Remedy(
        "Who signs in may not use the Batch account: give them a role there.",
        "az role assignment create --assignee {batch_principal} "
        '--role "Azure Batch Data Contributor" --scope {batch_id}',
        steps=("batch", "jobs", "pools", "management", "quotas"),
        statuses=(401, 403),
        sign_in="token",
    ),
    Remedy(
        "The storage account takes no keys: give its block another kind of credential, or let it take them.",
        "az storage account update --name {storage} --allow-shared-key-access true",
        steps=STORAGE,
        codes=("KeyBasedAuthenticationNotPermitted",),
    ),
    Remedy(
        "The SAS does not permit that, or has ended: put a new one into the block.",
        _NEW_SAS,
        steps=STORAGE,
        statuses=(401, 403),
        sign_in="sas",
    ),
    Remedy(
        "Who signs in may not get a user delegation key, which links are signed with: give them a role.",
        'az role assignment create --assignee {storage_principal} --role "Storage Blob Delegator" --scope {storage_id}',
        steps=("delegation",),
        statuses=(401, 403),
        sign_in="token",
    ),
    Remedy(
        "The storage account's firewall keeps this machine out: let its address in.",
        "az storage account show --name {storage} --query networkRuleSet",
        steps=STORAGE,
        codes=("AuthorizationFailure",),
        sign_in="token",
    ),
    Remedy(
        "Who signs in may not work with the storage account's blobs: give them a role.",
        "az role assignment create --assignee {storage_principal} "
        '--role "Storage Blob Data Contributor" --scope {storage_id}',
        steps=STORAGE,
        statuses=(401, 403),
        sign_in="token",
    ),
    Remedy(
        "The key is not one of the storage account's, or its firewall keeps this machine out: compare the key in the "
        "block with these two.",
        _STORAGE_KEYS,
        steps=("storage", "blobs", "links"),
        statuses=(401, 403),
        sign_in="key",
    ),
    Remedy(
        "The SAS in the block cannot do that: put a new one into the block.",
        _NEW_SAS,
        steps=("blobs", "links"),
        words=("The SAS ",),
    ),
    Remedy(
        "The account has all the pools that it may have: delete those that nobody needs (azure-batch-upkeep).",
        _SIGN_IN_FIRST + "az batch pool list --query '[].id' -o tsv",
        words=("PoolQuotaReached", "pools more"),
    ),
    Remedy(
        "The account has all the active jobs that it may have: end those that nobody needs (azure-batch-upkeep).",
        _SIGN_IN_FIRST + "az batch job list --filter \"state eq 'active'\" --query '[].id' -o tsv",
        words=("ActiveJobAndScheduleQuotaReached", "active jobs more"),
    ),
    Remedy(
        _MORE_QUOTA + "VM size or spot nodes, whose quotas are others.",
        SHOW_QUOTAS,
        words=("CoreQuota", "core quota", "cores more", "cores of"),
    ),
    Remedy(
        "Delete what is left: jobs and pools by azure-batch-upkeep --delete, the containers that this lists by "
        "az storage container delete.",
        "az storage container list --account-name {storage} --auth-mode login --prefix check- --query '[].name' -o tsv",
        words=("left behind", "Left behind"),
    ),
    Remedy(
        "Name another image in the pool's description, or none for a current Ubuntu.",
        _SIGN_IN_FIRST + "az batch pool supported-images list "
        "--query \"[?osType=='linux' && verificationType=='verified'].imageReference\" -o table",
        steps=("image",),
    ),
    Remedy(
        "Name a VM size that pools can have in the account's region.",
        "az batch location list-skus --location {region} --query '[].name' -o tsv",
        words=("vmSize", "vm_size", "VM size", "AllocationFailed", "AllocationTimedOut"),
    ),
    Remedy(
        "Mend the pool's start task: what it has written to its standard error stands above.",
        steps=("run",),
        words=("start task failed",),
    ),
    Remedy(
        "The task ran on the node but storage did not take or give its files: see that the storage account's firewall "
        "lets the nodes in.",
        "az storage account show --name {storage} --query networkRuleSet",
        steps=("run",),
        words=("FileUpload", "BlobDownload", "BlobAccess", "ResourceContainer"),
    ),
    Remedy(
        "Allow more time with --minutes; a first node may take ten minutes. Look at the pool in the portal meanwhile.",
        steps=("run",),
        words=("within the time", "DeadlineExceeded", " after "),
    ),
)

_OTHERWISE = Remedy(
    "What the service has said stands above; docs/azure.md tells what this step needs.",
    "az batch account show --name {batch} --resource-group {group}",
)


def advise(step: str, problem: Problem, names: Names) -> CheckFinding:
    """The finding that a check has failed, with what to do: the first remedy that fits.

    Args:
        step: name of the check.
        problem: why it has failed.
        names: of the account.
    """
    remedy = next((each for each in REMEDIES if each.fits(step, problem, names)), _OTHERWISE)
    return CheckFinding(step, "failed", problem.text, remedy.advice, remedy.command.format(**vars(names)))
