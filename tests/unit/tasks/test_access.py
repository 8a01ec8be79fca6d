"""What is said of an access to storage before anything is made."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import (
    DefaultCredential,
    StorageAccountKey,
    StorageConnectionString,
    StorageSas,
)
from prefect_azure_batch.tasks.access import SLACK, StorageAccess, check_access, require_access
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.formulas import job_limit
from prefect_azure_batch.tasks.records import JobPlan

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
URL = "https://lab.blob.core.windows.net"
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/nodes"
HIDDEN = "aGlkZGVuIGtleQ=="
SAS = f"sv=2026-04-06&ss=b&srt=co&sp=rcwdl&se=2026-05-02T14:00:00Z&sig={HIDDEN}"

KEY = StorageAccountKey(account_name="lab", account_key=HIDDEN)
SIGNED_IN = DefaultCredential()


def access(credential: Any, hours: float = 24, identity: str | None = None) -> StorageAccess:
    storage = AzureStorageCredentials(account_url=URL, credential=credential)
    return StorageAccess(storage, NOW + timedelta(hours=hours) + SLACK, identity)


def given(sas: str = SAS) -> StorageSas:
    return StorageSas(sas_token=sas)


@pytest.mark.parametrize(
    ("asked", "description"),
    [
        (access(SIGNED_IN, identity=IDENTITY), "by the nodes' identity nodes, as its roles permit; no links"),
        (
            access(SIGNED_IN),
            "links: user delegation, read on each blob, create and write on the container of results, until "
            "2026-05-02 13:00 UTC",
        ),
        (
            access(KEY),
            "links: signed by the account's key, read on each blob, create and write on the container of results, "
            "until 2026-05-02 13:00 UTC",
        ),
        (access(given()), "links: the SAS of the storage block itself, with rcwdl, until 2026-05-02 14:00 UTC"),
        (
            access(given(f"sv=1&si=lab&srt=co&sig={HIDDEN}")),
            "links: the SAS of the storage block itself, as its access policy permits, until as its access policy says",
        ),
    ],
)
def test_an_access_that_will_do_is_described(asked: StorageAccess, description: str) -> None:
    check = check_access(asked, NOW)
    assert (check.description, check.complaints) == (description, ())


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (access(SIGNED_IN, 200), "until 2026-05-09 21:00 UTC: ask for --hours 166 at most, give the storage block "),
        (
            access(given(), 30),
            "ends at 2026-05-02 14:00 UTC, and the run needs it until 2026-05-02 19:00 UTC: ",
        ),
        (access(given(), 30), "ask for --hours 25 at most, make another"),
        (access(given(SAS.replace("05-02", "05-01"))), "ends at 2026-05-01 14:00 UTC, and the run needs it until"),
        (access(given(SAS.replace("05-02", "04-30"))), "2026-05-02 13:00 UTC: make another, or"),
        (access(given(), 30, IDENTITY), "ends at 2026-05-02 14:00 UTC"),
        (access(given(SAS.replace("rcwdl", "rl"))), "does not permit c (create), w (write), d (delete), which a run"),
        (access(given(SAS.replace("rcwdl", "rcwl"))), "does not permit d (delete), which a run needs: make another"),
        (access(given(f"{SAS}&st=2026-05-01T12:30:00Z")), "does not hold before 2026-05-01 12:30 UTC: make another"),
        (access(given(SAS.replace("srt=co", "srt=o"))), "not for the whole account"),
        (access(given(SAS.replace("srt=co", "sr=c"))), "with the resource types container and object"),
    ],
)
def test_an_access_that_falls_short_is_told_in_a_line_that_says_what_to_do(
    asked: StorageAccess, complaint: str
) -> None:
    (told,) = check_access(asked, NOW).complaints
    assert complaint in told
    assert "\n" not in told
    assert HIDDEN not in told + repr(asked)


def test_all_that_is_wrong_is_told() -> None:
    assert len(check_access(access(given(f"sv=1&sr=b&sp=r&se=2026-05-01&sig={HIDDEN}")), NOW).complaints) == 3


def test_a_connection_string_with_a_signature_is_one() -> None:
    text = f"BlobEndpoint={URL};SharedAccessSignature={SAS.replace('rcwdl', 'r')}"
    storage = AzureStorageCredentials(credential=StorageConnectionString(connection_string=text))
    (told,) = check_access(StorageAccess(storage, NOW + SLACK), NOW).complaints
    assert "does not permit c (create), w (write), d (delete), l (list)" in told


@pytest.mark.parametrize("credential", [KEY, given(SAS.replace("2026-05", "2096-05"))])
def test_with_a_key_or_a_signature_nobody_is_asked(credential: Any) -> None:
    require_access(StorageAccess.lasting(access(credential).storage, None, timedelta(hours=24)))


def test_a_run_that_is_too_long_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(BadInput, match="seven days at most"):
        require_access(StorageAccess.lasting(access(SIGNED_IN).storage, None, timedelta(days=8)))


def test_an_identity_of_the_nodes_needs_no_key_and_no_life() -> None:
    forever = access(SIGNED_IN, 10_000, IDENTITY)
    assert check_access(forever, NOW).complaints == ()
    file = forever.resource_file("in puts", "a b/ü?#%41+&.txt", "x").as_dict()
    assert file == {
        "httpUrl": f"{URL}/in%20puts/a%20b/%C3%BC%3F%23%2541%2B%26.txt",
        "filePath": "x",
        "identityReference": {"resourceId": IDENTITY},
    }
    assert forever.output_container("out").at("logs").as_dict() == {
        "container": {"containerUrl": f"{URL}/out", "path": "logs", "identityReference": {"resourceId": IDENTITY}}
    }


def test_no_link_is_shown() -> None:
    assert "sig=" not in repr(StorageAccess.lasting(access(KEY).storage, None, SLACK).output_container("out"))


@pytest.mark.parametrize("hours", [0, 1, 23, 24, 100])
def test_links_outlive_a_job_however_often_its_lease_is_renewed(hours: int) -> None:
    limit = timedelta(hours=24)
    plan = JobPlan("j", "p", "r", time_limit=limit, lease=timedelta(minutes=30))
    made = StorageAccess.lasting(access(KEY).storage, None, limit, ends=NOW + limit)
    assert NOW + job_limit(plan, timedelta(hours=hours)) < made.until
