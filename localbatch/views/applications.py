"""Applications as the wire shows them: pure functions from records to JSON."""

from collections.abc import Iterable

from localbatch.store.applications import ApplicationRecord, PackageRecord
from localbatch.wire.formats import JsonObject


def application_view(application: ApplicationRecord, packages: Iterable[PackageRecord]) -> JsonObject:
    """Shows an application with the versions that can be used."""
    return {
        "id": application.id,
        "displayName": application.display_name or "",
        "versions": [package.version for package in packages],
    }
