"""Batch accounts: which there are, their keys, and how they end.

An account exists once it was created through the management plane, or once a client has signed with its name and the
key of the service. Each has two keys, either of which opens it. Until they are regenerated, the first is the
service's and the second follows from it.
"""

import asyncio
import base64
import hmac
import secrets
from datetime import datetime
from typing import Any

from starlette.concurrency import run_in_threadpool

from localbatch.engine.engine import Engine
from localbatch.service.jobs import Jobs
from localbatch.service.pools import Pools
from localbatch.service.schedules import JobSchedules
from localbatch.store.accounts import AccountRecord
from localbatch.wire.errors import ServiceError
from localbatch.wire.formats import JsonObject

SHARED_KEY, AAD = "SharedKey", "AAD"
_KEY_BYTES = 64
_LOOK_AGAIN_SECONDS = 0.1


class Accounts:
    """All accounts.

    Args:
        engine: what holds the store and runs what an account's end takes.
        key: the service's key.
        tokens: whether bearer tokens are accepted on the data plane.
    """

    def __init__(self, engine: Engine, key: bytes, *, tokens: bool) -> None:
        self._context, self._key, self.tokens = engine.context, key, tokens
        self._schedules, self._jobs, self._pools = JobSchedules(engine), Jobs(engine), Pools(engine)
        self._known = {record.name: record for record in engine.context.store.accounts.where("1")}

    def go_on(self) -> None:
        """Takes up again what the service's last life left undone. Needs a running event loop."""
        for record in list(self._known.values()):
            if record.state == "deleting":
                self._context.background.start(self._close(record))

    def find(self, name: str) -> AccountRecord | None:
        """Returns the account of that name, in small letters."""
        return self._known.get(name)

    def by_number(self, seq: int) -> AccountRecord | None:
        """Returns the account whose record has this number, which never comes back."""
        return next((record for record in self._known.values() if record.seq == seq), None)

    def all(self) -> list[AccountRecord]:
        """Returns all accounts in the order of their names."""
        return [self._known[name] for name in sorted(self._known)]

    def admit(self, name: str, mode: str) -> None:
        """Lets an authenticated request pass; the account exists from now on.

        Args:
            name: the account.
            mode: how its client has proved who it is.

        Raises:
            ServiceError: the account is on its way out, or does not accept that kind of proof.
        """
        record = self._known.get(name) or self.add(name, None, {})
        if record.state == "deleting":
            raise ServiceError("AccountIsDisabled")
        if mode not in self.modes(record):
            detail = f"The account does not allow authentication by {mode}."
            raise ServiceError("AuthenticationFailed", values=(("AuthenticationErrorDetail", detail),))

    def modes(self, record: AccountRecord) -> list[str]:
        """Tells how clients of an account may prove who they are."""
        properties = record.body.get("properties")
        given = properties.get("allowedAuthenticationModes") if isinstance(properties, dict) else None
        if isinstance(given, list) and given:
            return [str(mode) for mode in given]
        return [SHARED_KEY, AAD] if self.tokens else [SHARED_KEY]

    def keys(self, name: str) -> tuple[str, str]:
        """Returns the first and the second key of an account, in base64."""
        record = self._known.get(name)
        second = hmac.digest(self._key, f"secondary key of {name}".encode(), "sha512")
        return (
            (record and record.first_key) or base64.b64encode(self._key).decode(),
            (record and record.second_key) or base64.b64encode(second).decode(),
        )

    def add(self, name: str, group: str | None, body: JsonObject) -> AccountRecord:
        """Adds an account that does not exist."""
        record = AccountRecord(
            seq=0, name=name, resource_group=group, body=body, created=self._context.clock.now(), state="active"
        )
        return self._remember(self._context.store.accounts.add(record))

    def change(self, record: AccountRecord, body: JsonObject) -> AccountRecord:
        """Writes an account's description."""
        return self._write(record, body=body)

    def regenerate_key(self, record: AccountRecord, *, second: bool) -> None:
        """Replaces a key by a new one; the former one opens this account no longer."""
        key = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        self._write(record, **{"second_key" if second else "first_key": key})

    def reset_key(self, name: str) -> None:
        """Makes the first key of an account the service's once more."""
        record = self._known.get(name)
        if record is not None and record.first_key is not None:
            self._write(record, first_key=None)

    def synchronize_storage_keys(self, record: AccountRecord) -> None:
        """Notes when the keys of the storage account were last looked up; here they are always the present ones."""
        self._write(record, keys_synced=self._context.clock.now())

    def delete(self, record: AccountRecord) -> None:
        """Begins to delete an account with all that it has."""
        if record.state != "deleting":
            self._context.background.start(self._close(self._write(record, state="deleting")))

    async def _close(self, record: AccountRecord) -> None:
        left = self._end_resources(record.name)
        while left:
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
            left = self._end_resources(record.name)
        await self._remove_applications(record.name)
        self._context.store.accounts.remove(record.seq)
        del self._known[record.name]

    def _end_resources(self, account: str) -> bool:
        """Begins to end schedules, jobs and pools that don't end yet; tells whether any are left."""
        store = self._context.store
        schedules = list(store.schedules.where("account = ?", account))
        jobs = list(store.jobs.where("account = ?", account))
        pools = list(store.pools.where("account = ?", account))
        for schedule in schedules:
            if schedule.state != "deleting":
                self._schedules.delete(account, schedule.id, _unconditionally, force=True)
        for job in jobs:
            if job.state != "deleting":
                self._jobs.delete(account, job.id, _unconditionally, force=True)
        for pool in pools:
            if pool.state != "deleting":
                self._pools.delete(account, pool.id, _unconditionally)
        return bool(schedules or jobs or pools)

    async def _remove_applications(self, account: str) -> None:
        applications, storage = self._context.store.applications, self._context.storage
        for application in applications.list_all(account):
            for package in applications.list_packages(account, application.id):
                applications.delete_package(account, application.id, package.version)
                if storage is not None:
                    await run_in_threadpool(storage.delete, package.container, package.blob)
            applications.delete(account, application.id)

    def _write(self, record: AccountRecord, **changes: Any) -> AccountRecord:
        return self._remember(self._context.store.accounts.change(record, **changes))

    def _remember(self, record: AccountRecord) -> AccountRecord:
        self._known[record.name] = record
        return record


def _unconditionally(modified: datetime) -> None:
    """Checks nothing: whatever an account has goes with it."""
