"""Applications and their packages in the service's database.

The management plane writes them (``routes/management.py``), the data plane and the engine read them. Names are unique
without regard to case, and kept as they were first written.
"""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

SCHEMA = """
CREATE TABLE IF NOT EXISTS applications (
    account TEXT NOT NULL,
    id TEXT NOT NULL COLLATE NOCASE,
    display_name TEXT,
    allow_updates INTEGER NOT NULL,
    default_version TEXT,
    changed TEXT NOT NULL,
    PRIMARY KEY (account, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS application_packages (
    account TEXT NOT NULL,
    application_id TEXT NOT NULL COLLATE NOCASE,
    version TEXT NOT NULL COLLATE NOCASE,
    state TEXT NOT NULL,
    format TEXT,
    container TEXT NOT NULL,
    blob TEXT NOT NULL,
    activated TEXT,
    changed TEXT NOT NULL,
    PRIMARY KEY (account, application_id, version)
) WITHOUT ROWID;
"""

PENDING = "Pending"
ACTIVE = "Active"


@dataclass(frozen=True)
class ApplicationRecord:
    """An application; ``default_version`` is taken by references that name no version."""

    account: str
    id: str
    display_name: str | None
    allow_updates: bool
    default_version: str | None
    changed: datetime


@dataclass(frozen=True)
class PackageRecord:
    """One version of an application.

    Attributes:
        state: ``Pending`` until it is activated, then ``Active``.
        format: ``zip``, once active.
        container: container of the zip in the auto-storage account.
        blob: its name there.
        activated: when it was last activated.
    """

    account: str
    application_id: str
    version: str
    state: str
    format: str | None
    container: str
    blob: str
    activated: datetime | None
    changed: datetime


class Applications:
    """The tables of applications and packages; each change is committed when its method returns.

    Args:
        connection: the service's database, in which the tables are made if they are missing.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.executescript(SCHEMA)

    def get(self, account: str, application_id: str) -> ApplicationRecord | None:
        """Returns an application, None if there is none of that name."""
        query = "SELECT * FROM applications WHERE account = ? AND id = ?"
        row = self._connection.execute(query, (account, application_id)).fetchone()
        return None if row is None else _to_application(row)

    def list_all(self, account: str, *, after: str = "", limit: int = -1) -> list[ApplicationRecord]:
        """Returns applications in the order of their names.

        Args:
            account: the account they belong to.
            after: only names behind this one, for the next page.
            limit: at most so many; -1 is all.
        """
        query = "SELECT * FROM applications WHERE account = ? AND id > ? ORDER BY id LIMIT ?"
        return [_to_application(row) for row in self._connection.execute(query, (account, after, limit))]

    def put(self, record: ApplicationRecord) -> None:
        """Adds an application, or changes the one of that name."""
        values = (
            record.account,
            record.id,
            record.display_name,
            record.allow_updates,
            record.default_version,
            record.changed.isoformat(),
        )
        with self._connection:
            self._connection.execute(
                "INSERT INTO applications VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET display_name = excluded.display_name,"
                " allow_updates = excluded.allow_updates, default_version = excluded.default_version,"
                " changed = excluded.changed",
                values,
            )

    def delete(self, account: str, application_id: str) -> None:
        """Removes an application, which has no packages any more."""
        with self._connection:
            self._connection.execute("DELETE FROM applications WHERE account = ? AND id = ?", (account, application_id))

    def get_package(self, account: str, application_id: str, version: str) -> PackageRecord | None:
        """Returns one version, None if there is none of that name."""
        query = "SELECT * FROM application_packages WHERE account = ? AND application_id = ? AND version = ?"
        row = self._connection.execute(query, (account, application_id, version)).fetchone()
        return None if row is None else _to_package(row)

    def list_packages(self, account: str, application_id: str) -> list[PackageRecord]:
        """Returns all versions of an application in the order of their names."""
        query = "SELECT * FROM application_packages WHERE account = ? AND application_id = ? ORDER BY version"
        return [_to_package(row) for row in self._connection.execute(query, (account, application_id))]

    def put_package(self, record: PackageRecord) -> None:
        """Adds a version, or changes the one of that name."""
        values = (
            record.account,
            record.application_id,
            record.version,
            record.state,
            record.format,
            record.container,
            record.blob,
            None if record.activated is None else record.activated.isoformat(),
            record.changed.isoformat(),
        )
        with self._connection:
            self._connection.execute(
                "INSERT INTO application_packages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET state = excluded.state, format = excluded.format,"
                " container = excluded.container, blob = excluded.blob, activated = excluded.activated,"
                " changed = excluded.changed",
                values,
            )

    def delete_package(self, account: str, application_id: str, version: str) -> None:
        """Removes one version."""
        with self._connection:
            self._connection.execute(
                "DELETE FROM application_packages WHERE account = ? AND application_id = ? AND version = ?",
                (account, application_id, version),
            )

    def resolve(self, account: str, application_id: str, version: str | None) -> PackageRecord | None:
        """Returns the active package that a reference of a pool or task means.

        Args:
            account: the account it belongs to.
            application_id: id of the application.
            version: None means the application's default version.

        Returns:
            None if there is no such package, or it isn't active, or no default version is set.
        """
        application = self.get(account, application_id)
        wanted = version or (application.default_version if application else None)
        package = self.get_package(account, application_id, wanted) if wanted else None
        return package if package is not None and package.state == ACTIVE else None


def _to_application(row: tuple[str, str, str | None, int, str | None, str]) -> ApplicationRecord:
    account, name, display_name, allow_updates, default_version, changed = row
    return ApplicationRecord(
        account, name, display_name, bool(allow_updates), default_version, datetime.fromisoformat(changed)
    )


def _to_package(row: tuple[str, str, str, str, str | None, str, str, str | None, str]) -> PackageRecord:
    account, application_id, version, state, archive_format, container, blob, activated, changed = row
    return PackageRecord(
        account=account,
        application_id=application_id,
        version=version,
        state=state,
        format=archive_format,
        container=container,
        blob=blob,
        activated=None if activated is None else datetime.fromisoformat(activated),
        changed=datetime.fromisoformat(changed),
    )
