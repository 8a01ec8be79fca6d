"""Containers, as pools are made for them and tasks run in them.

Source: the Batch REST reference, API version 2025-06-01, and the docstrings of ``azure.batch.models``.
"""

from pydantic import Field

from localbatch.bodies.body import Body


class ContainerRegistry(Body):
    """A private registry; without a server it is Docker Hub."""

    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    registry_server: str | None = None


class BindMount(Body):
    """One of the node's directories that a container sees."""

    source: str | None = None
    is_read_only: bool = False


class ContainerSettings(Body):
    """The container in which a command runs.

    Attributes:
        container_host_batch_bind_mounts: what it sees of its node; None is everything.
    """

    image_name: str
    container_run_options: str = ""
    registry: ContainerRegistry | None = None
    working_directory: str = "taskWorkingDirectory"
    container_host_batch_bind_mounts: list[BindMount] | None = None

    @property
    def works_in_task_directory(self) -> bool:
        """Whether the command starts in the task's working directory instead of that of the image."""
        return self.working_directory.lower() == "taskworkingdirectory"


class ContainerConfiguration(Body):
    """What a pool for container tasks has on its nodes: images, and registries to get others from."""

    type: str
    container_image_names: list[str] = Field(default_factory=list)
    container_registries: list[ContainerRegistry] = Field(default_factory=list)
