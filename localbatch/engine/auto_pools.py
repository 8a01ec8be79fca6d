"""Pools that are made for a job or a job schedule, and end with it."""

import uuid

from localbatch.bodies.commands import PackageReference
from localbatch.bodies.jobs import AutoPoolSpecification
from localbatch.bodies.pools import PoolBody
from localbatch.bodies.reading import write
from localbatch.engine.allocation import Allocation
from localbatch.engine.auto_scaler import AutoScaler
from localbatch.engine.context import Context
from localbatch.rules.quotas import reached
from localbatch.rules.states import POOL, move, refusal
from localbatch.store.pools import PoolRecord, new_pool
from localbatch.wire.errors import failure_info
from localbatch.wire.formats import JsonObject


class AutoPoolError(Exception):
    """A pool can't be made; ``error`` is what the ``schedulingError`` of its job says."""

    def __init__(self, error: JsonObject) -> None:
        self.error = error
        super().__init__(str(error["message"]))


class AutoPools:
    """Makes the pools that jobs and job schedules ask for, and ends them.

    Args:
        context: the engine's surroundings.
        allocation: what takes their nodes away.
        auto_scaler: what gives them nodes.
    """

    def __init__(self, context: Context, allocation: Allocation, auto_scaler: AutoScaler) -> None:
        self._context, self._allocation, self._auto_scaler = context, allocation, auto_scaler

    def make(self, account: str, account_url: str, specification: AutoPoolSpecification) -> PoolRecord:
        """Makes a pool and begins to allocate its nodes. Its owner is to remember its id in the same transaction.

        Args:
            account: whose pool it is.
            account_url: how the client that asked for it reaches the service.
            specification: the pool, checked.

        Raises:
            AutoPoolError: it can't be made.
        """
        if reached(self._context.quotas.pools, self._context.store.count_pools(account)):
            raise AutoPoolError(failure_info("AutoPoolCreationFailedWithQuotaReached"))
        self._check_packages(account, specification.pool.application_package_references if specification.pool else [])
        pool_id = auto_pool_id(specification.auto_pool_id_prefix, uuid.uuid4())
        document = {} if specification.pool is None else write(specification.pool)
        body = PoolBody.model_validate({**document, "id": pool_id})
        pool = self._context.store.pools.add(new_pool(account, account_url, body, self._context.clock.now()))
        return self._auto_scaler.begin(pool)

    def _check_packages(self, account: str, references: list[PackageReference]) -> None:
        resolve = self._context.store.applications.resolve
        missing = [each for each in references if resolve(account, each.application_id, each.version) is None]
        if missing:
            details = [("ApplicationId", each.application_id) for each in missing]
            raise AutoPoolError(failure_info("InvalidApplicationPackageReferencesInAutoPool", details))

    def end(self, account: str, pool_id: str) -> None:
        """Begins to delete a pool, unless it is gone or going."""
        pool = self._context.store.find_pool(account, pool_id)
        if pool is None or refusal("pool", "delete", pool.state) is not None:
            return
        state = move(POOL, pool.state, "deleting")
        pool = self._context.store.pools.change(pool, state=state, state_changed=self._context.clock.now())
        self._allocation.delete(pool)


def auto_pool_id(prefix: str, unique: uuid.UUID) -> str:
    """Names a pool: its prefix, if it has one, and an id that no other pool has."""
    return "_".join(part for part in (prefix, str(unique).upper()) if part)
