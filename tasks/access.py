"""How nodes reach the blobs of a run: by an identity of theirs, or by links. It is chosen here, and nowhere else.

From the way that gives away least: an identity of the nodes; links signed by a user delegation key; links signed by the
account's key; a signature that is passed on as it is. docs/storage-access.md says what each protects from.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Self

from azure.batch import models

from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.delegation import latest_expiry
from prefect_azure_batch.blocks.signing import GivenSas
from prefect_azure_batch.tasks.errors import BadInput, ServiceFailure, translated
from prefect_azure_batch.tasks.findings import FINE, REFUSED, Finding
from prefect_azure_batch.tasks.records import StoredInput

SLACK = timedelta(hours=1)
"""How long links outlive the work they serve: for last uploads, collecting, and clocks that differ."""

_READ, _WRITE, _LIST = "r", "cw", "rl"
# Of a run itself: it lists and reads outputs, writes inputs and ledgers, leases and deletes its record.
_OF_A_RUN = {"r": "read", "c": "create", "w": "write", "d": "delete", "l": "list"}


@dataclass(frozen=True)
class OutputContainer:
    """A container as nodes write to it."""

    url: str = field(repr=False)
    identity: str | None = None

    def at(self, path: str) -> models.OutputFileDestination:
        """Where files go that are named so, or below that."""
        container = models.OutputFileBlobContainerDestination(
            container_url=self.url, path=path, identity_reference=_reference(self.identity)
        )
        return models.OutputFileDestination(container=container)


@dataclass(frozen=True)
class StorageAccess:
    """How nodes reach storage.

    Attributes:
        storage: the storage account.
        until: how long links live, with a time zone.
        identity: resource id of an identity of the nodes; None for links.
    """

    storage: AzureStorageCredentials
    until: datetime
    identity: str | None = None

    @classmethod
    def lasting(
        cls,
        storage: AzureStorageCredentials,
        identity: str | None,
        time_limit: timedelta,
        ends: datetime | None = None,
    ) -> Self:
        """Access for as long as some work may take.

        Args:
            storage: the storage account.
            identity: of the nodes, by which they reach it; None for links.
            time_limit: how long the work may take from now.
            ends: when the service ends it at the latest, with a time zone; None if it begins now.
        """
        return cls(storage, (ends or datetime.now(UTC) + time_limit) + SLACK, identity)

    def resource_file(self, container: str, blob: str, name: str) -> models.ResourceFile:
        """One blob, for nodes to read and no more.

        Args:
            container: its container.
            blob: the blob.
            name: of the file on the node, relative to the working directory.

        Raises:
            CredentialError: the credential cannot sign such a link.
            AzureError: Storage refused to give a user delegation key.
        """
        if self.identity:
            url = self.storage.plain_url(container, blob)
            return models.ResourceFile(http_url=url, file_path=name, identity_reference=_reference(self.identity))
        link = self.storage.sign_blob(container, blob, _READ, self.until)
        return models.ResourceFile(http_url=link, file_path=name)

    def input_file(self, item: StoredInput) -> models.ResourceFile:
        """An input, for nodes to read; one behind a link of the web is read by that, and nobody signs in there.

        Raises:
            CredentialError: the credential cannot sign such a link.
            AzureError: Storage refused to give a user delegation key.
        """
        if item.url:
            return models.ResourceFile(http_url=item.url, file_path=item.place or item.name)
        return self.resource_file(item.container, item.blob, item.place or item.name)

    def folder(self, container: str, prefix: str, name: str) -> models.ResourceFile:
        """All blobs of a container whose names begin so, for nodes to list and read: with that name before their own.

        Raises:
            CredentialError: the credential cannot sign such a link.
            AzureError: Storage refused to give a user delegation key.
        """
        if self.identity:
            url, identity = self.storage.plain_url(container), _reference(self.identity)
        else:
            url, identity = self.storage.sign_container(container, _LIST, self.until), None
        return models.ResourceFile(
            storage_container_url=url, blob_prefix=prefix, file_path=name, identity_reference=identity
        )

    def output_container(self, container: str) -> OutputContainer:
        """A container, for nodes to write to: by a link they can neither read nor list nor delete there.

        Raises:
            CredentialError: the credential cannot sign such a link.
            AzureError: Storage refused to give a user delegation key.
        """
        if self.identity:
            return OutputContainer(self.storage.plain_url(container), self.identity)
        return OutputContainer(self.storage.sign_container(container, _WRITE, self.until))


def _reference(identity: str | None) -> models.BatchNodeIdentityReference | None:
    return models.BatchNodeIdentityReference(resource_id=identity) if identity else None


@dataclass(frozen=True)
class AccessCheck:
    """What can be said of an access before anything is made.

    Attributes:
        description: one line for a person: the kind of access, its rights, its life.
        complaints: what is wrong with it, each one line that says what to do; none if it will do.
    """

    description: str
    complaints: tuple[str, ...] = ()


def check_access(access: StorageAccess, now: datetime) -> AccessCheck:
    """Looks whether an access permits what a run needs for as long as the run may take. It asks nobody.

    Args:
        access: how the run's nodes reach storage.
        now: when the run begins, with a time zone.
    """
    given = access.storage.given_sas
    complaints = _complaints_about(given, access.until, now) if given else ()
    if access.identity:
        name = access.identity.rpartition("/")[2]
        return AccessCheck(f"by the nodes' identity {name}, as its roles permit; no links", complaints)
    if given:
        rights = "as its access policy permits" if given.permissions is None else f"with {given.permissions}"
        end = "as its access policy says" if given.expiry is None else _moment(given.expiry)
        return AccessCheck(f"links: the SAS of the storage block itself, {rights}, until {end}", complaints)
    rights = f"read on each blob, create and write on the container of results, until {_moment(access.until)}"
    if access.storage.has_key:
        return AccessCheck(f"links: signed by the account's key, {rights}")
    return AccessCheck(f"links: user delegation, {rights}", _complaints_about_delegation(access.until, now))


def require_access(access: StorageAccess) -> AccessCheck:
    """Makes sure that nodes can be given access, before anything is made.

    Raises:
        BadInput: they cannot; the message is one line that says what to do.
        ServiceFailure: Storage refused or failed a request.
    """
    check = check_access(access, datetime.now(UTC))
    if check.complaints:
        raise BadInput(check.complaints[0])
    storage = access.storage
    if not (access.identity or storage.has_key or storage.given_sas):
        try:
            with translated("get a user delegation key of the storage account"):
                access.output_container(storage.work_container)
        except ServiceFailure as failure:
            if failure.status != HTTPStatus.FORBIDDEN:
                raise
            raise BadInput(
                f"The storage account {storage.account_name!r} gives no user delegation key to this credential: assign "
                "it the role Storage Blob Data Contributor there."
            ) from failure
    return check


def look_at_access(access: StorageAccess) -> Finding:
    """What is found of an access before a run begins.

    Raises:
        ServiceFailure: Storage refused or failed a request.
    """
    try:
        return Finding("storage", FINE, require_access(access).description)
    except BadInput as error:
        return Finding("storage", REFUSED, str(error))


def _complaints_about(sas: GivenSas, until: datetime, now: datetime) -> tuple[str, ...]:
    """What a run lacks that has nothing but this signature, for itself and for its nodes."""
    other = "make another, or use another kind of credential (docs/storage-access.md)."
    complaints = []
    if not (sas.is_of_account and {"c", "o"} <= set(sas.reaches)):
        complaints.append(
            "The SAS of the storage block is not for the whole account, and a run has inputs and results in containers "
            "of their own: make one for the account, with the resource types container and object."
        )
    if missing := sas.missing("".join(_OF_A_RUN)):
        names = ", ".join(f"{letter} ({_OF_A_RUN[letter]})" for letter in missing)
        complaints.append(f"The SAS of the storage block does not permit {names}, which a run needs: {other}")
    if sas.begin is not None and sas.begin > now:
        complaints.append(f"The SAS of the storage block does not hold before {_moment(sas.begin)}: {other}")
    if sas.expiry is not None and sas.expiry < until:
        complaints.append(
            f"The SAS of the storage block ends at {_moment(sas.expiry)}, and the run needs it until {_moment(until)}: "
            f"{_shorter(sas.expiry - now)}{other}"
        )
    return tuple(complaints)


def _complaints_about_delegation(until: datetime, now: datetime) -> tuple[str, ...]:
    longest = latest_expiry(now)
    if until <= longest:
        return ()
    return (
        "Links that are signed without an account key live for seven days at most, and the run needs them until "
        f"{_moment(until)}: {_shorter(longest - now)}give the storage block an account key, or give the pool an "
        "identity that reads and writes blobs (docs/storage-access.md).",
    )


def _shorter(life: timedelta) -> str:
    """How long a run may be that links of this life would do for, if it is worth a mention."""
    hours = (life - SLACK) // timedelta(hours=1)
    return f"ask for --hours {hours} at most, " if hours > 0 else ""


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
