"""Pools: the very ones of the data plane, created, changed, shown and deleted in the management plane's words."""

from datetime import datetime

from starlette.responses import Response

from localbatch.bodies.reading import without_nulls
from localbatch.engine.engine import Engine
from localbatch.routes.management.answers import accepted, done, json_response, listed
from localbatch.routes.management.call import ArmCall, ArmHandler, parse, read_number
from localbatch.routes.management.paths import ACCOUNT
from localbatch.routes.management.pool_bodies import (
    ArmPool,
    changes_of,
    description_of,
    pool_identity,
    rescaling,
    scale_of,
    settings_of,
    without_shown,
)
from localbatch.routes.management.pool_views import arm_pool
from localbatch.rules import filters
from localbatch.service.accounts import Accounts
from localbatch.service.auto_scale import AutoScale
from localbatch.service.conditions import Conditions, read_conditions
from localbatch.service.pools import Pools
from localbatch.store.pools import PoolRecord
from localbatch.views.pools import pool_view
from localbatch.wire.errors import ServiceError
from localbatch.wire.filters import compile_filter, select
from localbatch.wire.formats import JsonObject, JsonValue
from localbatch.wire.shapes import BODIES, conform

_POOL = f"{ACCOUNT}/pools/{{pool}}"
_ALWAYS = ("id", "name", "type", "etag")


class PoolRoutes:
    """What can be done with pools.

    Args:
        accounts: the accounts they belong to.
        engine: what allocates them.
    """

    def __init__(self, accounts: Accounts, engine: Engine) -> None:
        self._accounts, self._store, self._pools = accounts, engine.context.store, Pools(engine)
        self._auto_scale = AutoScale(engine, self._pools)

    def table(self) -> list[tuple[str, str, ArmHandler]]:
        """Returns verb, path and handler of each operation."""
        return [
            ("GET", f"{ACCOUNT}/pools", self._list),
            ("GET", _POOL, self._get),
            ("PUT", _POOL, self._put),
            ("PATCH", _POOL, self._update),
            ("DELETE", _POOL, self._delete),
            ("POST", f"{_POOL}/stopResize", self._stop_resize),
            ("POST", f"{_POOL}/disableAutoScale", self._disable_auto_scale),
            ("GET", f"{ACCOUNT}/poolOperationResults/{{operation}}", self._get_result),
        ]

    async def _list(self, call: ArmCall) -> Response:
        call.find_account(self._accounts)
        passes = compile_filter(call.query.get("$filter", ""), filters.ARM_POOLS)
        pools = self._store.pools.where("account = ?", call.account)
        views = [view for view in (self._view(call, pool) for pool in pools) if passes(view)]
        page, link = call.page_of(views)
        return listed([_select(view, call.query.get("$select")) for view in page], link)

    async def _get(self, call: ArmCall) -> Response:
        return self._answer(call, self._find(call))

    async def _put(self, call: ArmCall) -> Response:
        """Creates a pool; one that exists is changed to what the body says."""
        call.find_account(self._accounts)
        body = await _parse(call)
        pool = self._store.find_pool(call.account, call.names["pool"])
        conditions = _conditions(call)
        if pool is not None:
            return self._answer(call, self._change(call, pool, body, conditions))
        if conditions.match is not None:
            raise ServiceError("ConditionNotMet")
        return self._answer(call, self._create(call, body))

    async def _update(self, call: ArmCall) -> Response:
        pool = self._find(call)
        return self._answer(call, self._change(call, pool, await _parse(call), _conditions(call)))

    async def _delete(self, call: ArmCall) -> Response:
        call.find_account(self._accounts)
        pool = self._store.find_pool(call.account, call.names["pool"])
        if pool is None:
            return done(204)
        if pool.state != "deleting":
            self._pools.delete(call.account, pool.id, _conditions(call).check)
        return accepted(_result_link(call, f"delete-{pool.id}-{pool.seq}"))

    async def _stop_resize(self, call: ArmCall) -> Response:
        pool = self._find(call)
        return self._answer(call, self._pools.stop_resize(call.account, pool.id, _conditions(call).check))

    async def _disable_auto_scale(self, call: ArmCall) -> Response:
        pool = self._find(call)
        _conditions(call).check(pool.modified)
        return self._answer(call, self._auto_scale.disable(call.account, pool.id))

    async def _get_result(self, call: ArmCall) -> Response:
        call.find_account(self._accounts)
        name = call.names["operation"]
        number = read_number(name.rpartition("-")[2])
        gone = number is None or self._store.pools.get(number) is None
        return done(204) if gone else accepted(_result_link(call, name))

    def _create(self, call: ArmCall, body: ArmPool) -> PoolRecord:
        document: JsonObject = {"id": call.names["pool"], **settings_of(body), **scale_of(body.scale)}
        document = conform(document, BODIES["POST", "/pools"])
        identity, tags = pool_identity(body.identity), dict[str, JsonValue](body.tags or {})
        return self._pools.create(call.account, call.base_url, document, identity=identity, tags=tags)

    def _change(self, call: ArmCall, pool: PoolRecord, body: ArmPool, conditions: Conditions) -> PoolRecord:
        """Changes what a body names and is not so already."""
        conditions.check(pool.modified)
        self._pools.changeable(call.account, pool.id, _unconditionally)
        present = self._batch_view(call, pool)
        settings = changes_of(conform(settings_of(body), BODIES["PATCH", "/pools/{pool}"]), present)
        scale = rescaling(body.scale, present)
        if "targetDedicatedNodes" in scale and pool.allocation != "steady":
            raise ServiceError("PoolBeingResized")
        # What is refused in the end has changed nothing before.
        with self._store.transaction():
            if settings:
                pool = self._pools.update(call.account, pool.id, settings, _unconditionally)
            pool = self._pools.describe(pool, *description_of(body, pool))
            return self._scale(pool, scale) if scale else pool

    def _scale(self, pool: PoolRecord, scale: JsonObject) -> PoolRecord:
        if "autoScaleFormula" in scale:
            return self._auto_scale.enable(pool.account, pool.id, scale, _unconditionally)
        if pool.formula is not None:
            self._auto_scale.disable(pool.account, pool.id)
        return self._pools.resize(pool.account, pool.id, scale, _unconditionally)

    def _answer(self, call: ArmCall, pool: PoolRecord) -> Response:
        return json_response(self._view(call, pool))

    def _view(self, call: ArmCall, pool: PoolRecord) -> JsonObject:
        return arm_pool(call.base_id, pool, self._batch_view(call, pool))

    def _batch_view(self, call: ArmCall, pool: PoolRecord) -> JsonObject:
        return pool_view(call.base_url, pool, self._store.count_nodes(pool.seq))

    def _find(self, call: ArmCall) -> PoolRecord:
        call.find_account(self._accounts)
        return self._pools.get(call.account, call.names["pool"])


async def _parse(call: ArmCall) -> ArmPool:
    document = without_nulls(await call.read_json())
    return parse(ArmPool, without_shown(document if isinstance(document, dict) else {}))


def _conditions(call: ArmCall) -> Conditions:
    return read_conditions(call.request.headers, reading=call.request.method == "GET")


def _unconditionally(modified: datetime) -> None:
    """Checks nothing: the conditions were checked before."""


def _result_link(call: ArmCall, name: str) -> str:
    return call.result_link(f"{call.base_id}/poolOperationResults/{name}")


def _select(view: JsonObject, text: str | None) -> JsonObject:
    """Leaves only the properties that ``$select`` names, and what tells a resource from others."""
    chosen = select(view, text)
    return {**{name: view[name] for name in _ALWAYS}, **chosen}
