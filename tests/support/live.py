"""A real account for the tests in ``tests/live``, as the environment names it, and what they may cost there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_storage import AzureStorageCredentials
from prefect_azure_batch.blocks.credentials import BatchSharedKey, DefaultCredential, StorageAccountKey
from prefect_azure_batch.blocks.endpoints import batch_account_in, storage_account_in
from prefect_azure_batch.blocks.pool_description import DEFAULT_VM_SIZE

PREFIX = "AZURE_BATCH_LIVE_"
MOST_NODES = 3
"""At a time: one that most tests share, and two of a test's own."""
RUN_MINUTES = 20.0
"""What a run, and a pool that nobody renews, may take: a pool on Azure needs some minutes for its nodes."""


class LiveVariables(BaseModel):
    """The variables that name a real account, without their prefix ``AZURE_BATCH_LIVE_``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoint: str
    storage_url: str
    account: str | None = None
    key: SecretStr | None = None
    storage_account: str | None = None
    storage_key: SecretStr | None = None
    subscription: str | None = None
    resource_group: str | None = None
    vm_size: str = DEFAULT_VM_SIZE
    minutes: float = Field(default=120, gt=0)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self | None:
        """The variables that are set; None if none is.

        Raises:
            ValueError: names the variable that is missing, unknown or wrong.
        """
        given = {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
        try:
            return cls.model_validate(given) if given else None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            variable = "".join(f"{PREFIX}{str(key).upper()}: " for key in first["loc"])
            known = ", ".join(name.upper() for name in cls.model_fields)
            raise ValueError(f"{variable}{first['msg']}. {PREFIX}... may be: {known}") from None

    @model_validator(mode="after")
    def _keys_have_accounts(self) -> Self:
        if self.key and not (self.account or batch_account_in(self.endpoint)):
            raise ValueError(f"{PREFIX}ACCOUNT is missing: the endpoint does not tell whose the key is")
        if self.storage_key and not (self.storage_account or storage_account_in(self.storage_url)):
            raise ValueError(f"{PREFIX}STORAGE_ACCOUNT is missing: the address does not tell whose the key is")
        return self

    def block(self) -> AzureBatchAccount:
        """The account; where there is no key, whatever Azure sign-in is found is used."""
        return AzureBatchAccount(
            endpoint=self.endpoint,
            credential=self._batch_credential(),
            storage=AzureStorageCredentials(account_url=self.storage_url, credential=self._storage_credential()),
            subscription_id=self.subscription,
            resource_group=self.resource_group,
        )

    def _batch_credential(self) -> BatchSharedKey | DefaultCredential:
        if self.key is None:
            return DefaultCredential()
        name = self.account or batch_account_in(self.endpoint)
        assert name is not None
        return BatchSharedKey(account_name=name, account_key=self.key)

    def _storage_credential(self) -> StorageAccountKey | DefaultCredential:
        if self.storage_key is None:
            return DefaultCredential()
        name = self.storage_account or storage_account_in(self.storage_url)
        assert name is not None
        return StorageAccountKey(account_name=name, account_key=self.storage_key)


@dataclass
class Ceiling:
    """What all tests together may cost: so many nodes at a time, so many minutes from the first to the last.

    Attributes:
        nodes: at a time, counted by what was asked for.
        minutes: of the whole suite.
        began: on the clock of ``time.monotonic``.
        taken: nodes that are asked for now.
    """

    nodes: int
    minutes: float
    began: float = field(default_factory=monotonic)
    taken: int = 0

    @property
    def left(self) -> float:
        """Minutes that the suite still has."""
        return self.minutes - (monotonic() - self.began) / 60

    @contextmanager
    def taking(self, nodes: int, minutes: float) -> Iterator[None]:
        """Has room for a pool as long as the context lasts.

        Raises:
            AssertionError: there is none, or not for so long.
        """
        assert self.taken + nodes <= self.nodes, (
            f"{nodes} nodes besides {self.taken} are more than the suite's {self.nodes}"
        )
        assert minutes <= self.left, f"{minutes:g} minutes are more than the {self.left:.0f} that the suite has left"
        self.taken += nodes
        try:
            yield
        finally:
            self.taken -= nodes
