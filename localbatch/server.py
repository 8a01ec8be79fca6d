"""The service as one ASGI application: state under one directory, engine, data plane and management plane."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette

from localbatch.auto_storage import AutoStorage
from localbatch.clock import Clock
from localbatch.driver.interface import Driver
from localbatch.engine.context import Context
from localbatch.engine.engine import Engine
from localbatch.quotas import Quotas
from localbatch.routes import absent
from localbatch.routes.account import AccountRoutes
from localbatch.routes.batch import BatchRoute
from localbatch.routes.files import FileRoutes
from localbatch.routes.jobs import JobRoutes
from localbatch.routes.management import ManagementRoute
from localbatch.routes.node_commands import NodeCommandRoutes
from localbatch.routes.nodes import NodeRoutes
from localbatch.routes.pools import PoolRoutes
from localbatch.routes.schedules import JobScheduleRoutes
from localbatch.routes.tasks import TaskRoutes
from localbatch.routes.usage import UsageRoutes
from localbatch.store import Store

STATE_FILE = "state.db"
NODES_DIRECTORY = "nodes"


@dataclass(frozen=True)
class Settings:
    """What a service is made of.

    Attributes:
        root: directory of state and nodes; it exists, and no other service uses it.
        mount: where commands see the directory tree of their node.
        key: the key of all accounts, decoded.
        storage_connection_string: of the linked storage account; None where there is no Blob service.
        allocation_seconds: how long a pool takes to get its nodes.
        start_seconds: how long a node takes to start.
        driver: what runs commands.
        quotas: what each account may have.
    """

    root: Path
    mount: Path
    key: bytes = field(repr=False)
    storage_connection_string: str | None = field(repr=False)
    allocation_seconds: float
    start_seconds: float
    driver: Driver
    quotas: Quotas = field(default_factory=Quotas)


def create_app(settings: Settings) -> Starlette:
    """Makes the service. It begins to work, and ends every process it started, with the application's lifespan."""
    storage = AutoStorage(settings.storage_connection_string) if settings.storage_connection_string else None
    store = Store(settings.root / STATE_FILE)
    clock = Clock()
    context = Context(
        store=store,
        driver=settings.driver,
        clock=clock,
        storage=storage,
        nodes_root=settings.root / NODES_DIRECTORY,
        mount=settings.mount,
        allocation_seconds=settings.allocation_seconds,
        start_seconds=settings.start_seconds,
        quotas=settings.quotas,
    )
    engine = Engine(context)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        engine.start()
        try:
            yield
        finally:
            await engine.stop()
            store.close()
            if storage is not None:
                storage.close()

    groups = (
        PoolRoutes,
        NodeRoutes,
        NodeCommandRoutes,
        JobRoutes,
        JobScheduleRoutes,
        TaskRoutes,
        FileRoutes,
        AccountRoutes,
        UsageRoutes,
    )
    operations = [row for group in groups for row in group(engine).table()] + absent.table()
    management = ManagementRoute(store.applications, storage, settings.key)
    return Starlette(routes=[management, BatchRoute(operations, settings.key, clock)], lifespan=lifespan)
