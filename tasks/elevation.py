"""Who runs what Batch starts on a node."""

from azure.batch import models


def pool_user(*, elevated: bool) -> models.UserIdentity:
    """A user of the pool, an administrator or not, so that all tasks of a node may read what one has written."""
    level = models.ElevationLevel.ADMIN if elevated else models.ElevationLevel.NON_ADMIN
    return models.UserIdentity(
        auto_user=models.AutoUserSpecification(scope=models.AutoUserScope.POOL, elevation_level=level)
    )
