"""What a pool of VMs shall be: one description for forms, files, blocks and stages.

It holds no secret: where one is needed, the name of a Prefect Secret block stands in its place.
"""

import re
from collections.abc import Callable, Mapping
from typing import Literal, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from prefect_azure_batch.blocks.pool_parts import (
    Autoscale,
    Container,
    Disks,
    Mount,
    Needs,
    Network,
    NodeUser,
    Part,
    StartTask,
    check_resource,
    check_variables,
)

DEFAULT_NODES = 2
DEFAULT_VM_SIZE = "standard_d2s_v3"
MOST_SLOTS = 256
MOST_NODES = 10_000
"""More than any account gets without asking Microsoft for it."""

GALLERY_IMAGE = re.compile(r"/(community|shared)galleries/[^/]+/images/[^/]+(/versions/[^/]+)?", re.IGNORECASE)
"""An image of a gallery of somebody else's: its id is none of Azure Resource Manager."""

# Of a pool that is there already, these say how it is used; all else was decided when it was made.
_OF_EXISTING = {"existing", "nodes", "container", "environment", "storage_identity"}
NO_IDENTITY = "none"
"""In place of an identity: links."""
# Where pydantic says that a name in a mapping is wrong.
_OF_A_NAME = "[key]"
_OUR_METADATA = "prefect-azure-batch-"
_MOST_PACKAGES = 10  # source: the docstring of azure.batch.models.BatchPoolCreateOptions
_MOUNT_KINDS = ("blob", "nfs", "files")
# Source: "Naming and referencing application packages", Azure Batch.
_PACKAGE = re.compile(r"[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9._-]{1,64})?")


class PoolDescription(Part):
    """A pool of VMs: made for a run, or there already."""

    model_config = ConfigDict(title="Pool")

    existing: str | None = Field(
        default=None, min_length=1, title="Existing pool", description="Id of a pool to use instead of making one."
    )
    nodes: int | None = Field(
        default=None,
        ge=0,
        le=MOST_NODES,
        title="Nodes",
        description="Dedicated VMs; with autoscale, at most. Not given: 2, or none beside spot nodes.",
    )
    spot_nodes: int = Field(
        default=0,
        ge=0,
        le=MOST_NODES,
        title="Spot nodes",
        description="Spot VMs besides, cheap and taken away at any time; with autoscale, at most. Not given: 0.",
    )
    autoscale: Autoscale | None = Field(
        default=None, title="Autoscale", description="How many of the nodes there are when. Not given: always all."
    )
    vm_size: str = Field(
        default=DEFAULT_VM_SIZE,
        min_length=1,
        title="VM size",
        description=f"Azure VM size of the nodes. Not given: {DEFAULT_VM_SIZE}.",
    )
    needs: Needs | None = Field(
        default=None,
        title="Needs",
        description="What a node must have, in place of a VM size: the smallest usual size that has it is taken.",
    )
    slots: int = Field(
        default=1, ge=1, le=MOST_SLOTS, title="Slots", description="Tasks that one node runs at a time. Not given: 1."
    )
    image: str | None = Field(
        default=None,
        min_length=1,
        title="Image",
        description=(
            "publisher:offer:sku or publisher:offer:sku:version of a marketplace image that the account offers, or the "
            "resource id of an image of your own or of a gallery. Not given: a current Ubuntu."
        ),
    )
    node_agent: str | None = Field(
        default=None,
        min_length=1,
        title="Node agent",
        description="Node agent SKU of an image of your own, such as 'batch.node.ubuntu 24.04'.",
    )
    start_task: StartTask | None = Field(
        default=None, title="Start task", description="What prepares each node whenever it starts."
    )
    environment: dict[str, str] = Field(
        default_factory=dict,
        title="Environment",
        description='Environment variables of start task and tasks: {"NAME": "value"}. No place for secrets.',
    )
    packages: tuple[str, ...] = Field(
        default=(),
        title="Application packages",
        description="id:version, or id for the default version, of application packages that every node gets.",
    )
    container: Container | None = Field(
        default=None, title="Container", description="The container image that tasks run in."
    )
    network: Network | None = Field(default=None, title="Network", description="Subnet and public addresses.")
    mounts: tuple[Mount, ...] = Field(
        default=(), title="Mounts", description="File systems that every node has below AZ_BATCH_NODE_MOUNTS_DIR."
    )
    disks: Disks | None = Field(default=None, title="Disks", description="Encryption, and disks besides.")
    users: tuple[NodeUser, ...] = Field(
        default=(), title="User accounts", description="User accounts that every node has."
    )
    fill: Literal["spread", "pack"] = Field(
        default="spread",
        title="Fill",
        description="spread (the default): over all nodes. pack: one node is filled after the other, so others may go.",
    )
    identities: tuple[str, ...] = Field(
        default=(),
        title="Identities",
        description=(
            "Resource ids of user-assigned identities that the nodes have. The pool is made through Azure Resource "
            "Manager then, which a shared key cannot sign in to."
        ),
    )
    storage_identity: str | None = Field(
        default=None,
        min_length=1,
        title="Storage identity",
        description=(
            "Resource id of the identity by which nodes read inputs and write outputs, with no links. Not given: the "
            "first of the identities. 'none': links."
        ),
    )
    tags: dict[str, str] = Field(
        default_factory=dict,
        title="Tags",
        description='Azure tags, as for bills: {"name": "value"}. Then Azure Resource Manager makes the pool.',
    )
    metadata: dict[str, str] = Field(
        default_factory=dict,
        title="Metadata",
        description='Names and values that the pool shows, as of its owner, such as {"name": "value"}.',
    )

    @property
    def dedicated_nodes(self) -> int:
        """Dedicated VMs, at most."""
        if self.nodes is not None:
            return self.nodes
        return 0 if self.spot_nodes else DEFAULT_NODES

    @property
    def size(self) -> int:
        """VMs of both kinds, at most."""
        return self.dedicated_nodes + self.spot_nodes

    @property
    def node_identity(self) -> str | None:
        """The identity by which nodes reach storage; None for links."""
        if self.storage_identity:
            return None if self.storage_identity == NO_IDENTITY else self.storage_identity
        return self.identities[0] if self.identities else None

    def has_identity(self, resource_id: str) -> bool:
        """Whether its nodes have an identity; resource ids are the same in small and capital letters."""
        return resource_id.lower() in [identity.lower() for identity in self.identities]

    @property
    def secrets(self) -> dict[str, str]:
        """Names of the Prefect Secret blocks that it needs, by the keys that name them."""
        return self._named("password_secret", "key_secret")

    @property
    def linked(self) -> str | None:
        """The first key that names a resource of the user's own by which nodes are made; None if there is none."""
        if (self.image or "").lower().startswith("/subscriptions/"):
            return "image"
        network = self.network or Network()
        return next((f"network.{key}" for key in ("subnet", "public_ips") if getattr(network, key)), None)

    def _named(self, *keys: str) -> dict[str, str]:
        """What parts that stand in lists say of these keys, by their places: ``mounts[0].identity``."""
        registries = self.container.registries if self.container else ()
        lists: dict[str, tuple[Part, ...]] = {
            "container.registries": registries,
            "mounts": self.mounts,
            "users": self.users,
        }
        places = [(f"{name}[{n}]", part) for name, parts in lists.items() for n, part in enumerate(parts)]
        return {f"{place}.{key}": said for place, part in places for key in keys if (said := getattr(part, key, None))}

    def overridden(self, options: Mapping[str, object]) -> Self:
        """The description with some keys set anew.

        Args:
            options: keys and values; those that are None say nothing.

        Raises:
            ValidationError: the keys do not go together.
        """
        given = {name: getattr(self, name) for name in self.model_fields_set}
        if options.get("vm_size"):
            given.pop("needs", None)  # both say which size
        return type(self).model_validate(given | {name: each for name, each in options.items() if each is not None})

    @field_validator("vm_size")
    @classmethod
    def _vm_size_is_a_word(cls, vm_size: str) -> str:
        if not re.fullmatch(r"\w+", vm_size, re.ASCII):
            raise ValueError(f"{vm_size!r} is no VM size; one is {DEFAULT_VM_SIZE}")
        return vm_size

    @field_validator("image")
    @classmethod
    def _image_can_be_one(cls, image: str | None) -> str | None:
        if image and not image.startswith("/") and not 3 <= len([part for part in image.split(":") if part]) <= 4:
            raise ValueError(
                f"{image!r} is neither publisher:offer:sku[:version], as canonical:ubuntu-24_04-lts:server, nor a "
                "resource id, which begins with /subscriptions/"
            )
        if not image or not image.startswith("/") or GALLERY_IMAGE.fullmatch(image):
            return image
        return check_resource(image, "images")

    @field_validator("identities")
    @classmethod
    def _identities_have_ids(cls, identities: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(check_resource(identity, "userAssignedIdentities") for identity in identities)

    @field_validator("storage_identity")
    @classmethod
    def _storage_identity_has_an_id(cls, identity: str | None) -> str | None:
        return identity if identity in (None, NO_IDENTITY) else check_resource(identity, "userAssignedIdentities")

    @field_validator("environment")
    @classmethod
    def _variables_can_be(cls, environment: dict[str, str]) -> dict[str, str]:
        return check_variables(environment)

    @field_validator("packages")
    @classmethod
    def _packages_have_names(cls, packages: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [package for package in packages if not _PACKAGE.fullmatch(package)]:
            raise ValueError(f"{wrong[0]!r} is no application package: write id:version")
        if len(packages) > _MOST_PACKAGES:
            raise ValueError(f"a pool has {_MOST_PACKAGES} at most, not {len(packages)}")
        return packages

    @field_validator("metadata")
    @classmethod
    def _metadata_is_the_users(cls, metadata: dict[str, str]) -> dict[str, str]:
        if own := next((name for name in metadata if name.startswith(_OUR_METADATA)), None):
            raise ValueError(f"{own!r} is set by the flow: take a name that does not begin with {_OUR_METADATA!r}")
        return metadata

    @model_validator(mode="after")
    def _parts_go_together(self) -> Self:
        if self.existing and (further := sorted(self.model_fields_set - _OF_EXISTING)):
            raise ValueError(
                f"{further[0]}: the pool {self.existing!r} is there already, and this cannot be changed: leave it out"
            )
        if not self.existing and self.size < 1:
            raise ValueError("nodes: a pool needs a node, dedicated or spot")
        if self.needs and "vm_size" in self.model_fields_set:
            raise ValueError("needs: they are there to find a vm_size: leave one of them out")
        if self.node_agent and not (self.image or "").startswith("/"):
            raise ValueError("node_agent: the account knows that of a marketplace image: leave it out")
        if (self.image or "").startswith("/") and not self.node_agent:
            raise ValueError("node_agent: an image of your own needs it, such as 'batch.node.ubuntu 24.04'")
        named = self._named("identity") | ({"storage_identity": self.node_identity} if self.node_identity else {})
        for place, identity in named.items():
            if not self.existing and not self.has_identity(identity):
                raise ValueError(f"{place}: {identity!r} is none of the identities: add it there")
        if self.autoscale and self.autoscale.min_nodes > self.size:
            raise ValueError(f"autoscale.min_nodes: {self.autoscale.min_nodes} are more than the pool's {self.size}")
        return self

    @model_validator(mode="after")
    def _names_are_used_once(self) -> Self:
        for key, names in (
            ("mounts", [mount.path for mount in self.mounts]),
            ("users", [user.name for user in self.users]),
        ):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{key}: {min(twice)!r} stands there twice")
        return self


_WORDS = {
    "missing": "it is missing",
    "union_tag_not_found": "kind: it is missing",
    "tuple_type": "it must be a list",
    "dict_type": "it must hold names and values",
    "model_type": "it must hold keys and values",
    "model_attributes_type": "it must hold keys and values",
    "string_type": "it must be a text: put it in quotes",
}
"""What pydantic says in the words of Python, in those of a file."""


def first_complaint(
    error: ValidationError, named: Callable[[str], str] | None = None, *, shows_value: bool = True
) -> str:
    """The first thing that is wrong with a description, with its place as it is written: ``mounts[0].path: ...``.

    Args:
        error: what pydantic says.
        named: how the outermost key is written, if that is an option of a command or a field of a form.
        shows_value: say what was given; it may be a secret.
    """
    first = error.errors(include_url=False)[0]
    message = first["msg"].removeprefix("Value error, ")
    message = _WORDS.get(first["type"], message)
    if first["type"] == "union_tag_invalid":
        given = f", not {first['ctx']['tag']!r}" if shows_value else ""
        message = f"kind: it must be one of {first['ctx']['expected_tags']}{given}"
    shows_value = shows_value and "secret" not in first["loc"]
    if shows_value and first["type"] != "value_error" and isinstance(first["input"], str | int | float):
        given = repr(first["input"])
        message += f", not {given if len(given) < 60 else given[:60] + '...'}"
    steps = first["loc"]
    if named is not None and steps:
        within = _key(steps[1:]) if any(isinstance(step, str) for step in steps[1:]) else ""
        return ": ".join((named(str(steps[0])), *([within] if within else []), message))
    key = _key(steps)
    return f"{key}: {message}" if key else message


def _key(steps: tuple[int | str, ...]) -> str:
    """A place in a description, as it is written: ``mounts[0].path``."""
    # Of a mount that stands in a list its kind is named, too, which nobody has written there.
    path = [
        step
        for before, step in zip((None, *steps), steps, strict=False)
        if not (isinstance(before, int) and step in _MOUNT_KINDS) and step != _OF_A_NAME
    ]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
