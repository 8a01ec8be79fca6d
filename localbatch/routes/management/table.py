"""All operations of the management plane."""

from localbatch.engine.engine import Engine
from localbatch.routes.management import absent, operations
from localbatch.routes.management.accounts import AccountRoutes
from localbatch.routes.management.applications import ApplicationRoutes
from localbatch.routes.management.call import ArmHandler
from localbatch.routes.management.locations import LocationRoutes
from localbatch.routes.management.packages import PackageRoutes
from localbatch.routes.management.pools import PoolRoutes
from localbatch.service.accounts import Accounts


def management_table(engine: Engine, accounts: Accounts) -> list[tuple[str, str, ArmHandler]]:
    """Returns verb, path and handler of each operation.

    Args:
        engine: what holds the store and runs the pools.
        accounts: all accounts.
    """
    context = engine.context
    applications = context.store.applications
    return [
        *AccountRoutes(accounts, context).table(),
        *ApplicationRoutes(accounts, applications).table(),
        *PackageRoutes(accounts, applications, context.storage).table(),
        *PoolRoutes(accounts, engine).table(),
        *LocationRoutes(accounts).table(),
        *operations.table(),
        *absent.table(),
    ]
