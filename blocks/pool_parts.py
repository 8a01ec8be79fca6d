"""The parts of a pool's description.

Source: the docstrings of ``azure.batch.models``, API version 2025-06-01, whose names they have where a person would
understand them.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, TypeAlias, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from prefect_azure_batch.blocks.forms import kind_of, show_member, show_part

_RESOURCE = re.compile(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+(/[^/]+)+", re.IGNORECASE)
Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

_LONGEST_VARIABLE = 30_000
"""All of a task must fit into a request of 1 MiB for a hundred tasks, or one for itself."""

# Earlier versions of the API had it, and many a pool of theirs names it.
_COMMUNICATION = re.compile(r"node_?communication", re.IGNORECASE)

_WORKING_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")


def check_resource(text: str, kind: str) -> str:
    """The resource id, if it is one of Azure Resource Manager of this kind.

    Raises:
        ValueError: it is none.
    """
    if not _RESOURCE.fullmatch(text) or f"/{kind}/".lower() not in text.lower():
        raise ValueError(
            f"{text!r} is no resource id of this kind: it begins with /subscriptions/ and has /{kind}/ in it"
        )
    return text


def check_variables(environment: dict[str, str]) -> dict[str, str]:
    """Environment variables, if tasks can have them.

    Raises:
        ValueError: names one that they cannot have.
    """
    for name, value in environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"{name!r} is no name of a variable: letters, digits and '_', beginning with no digit")
        if name.upper().startswith(("AZ_BATCH_", "BATCH_MAP_")):
            raise ValueError(f"{name!r} is set by Batch or by the flow: take another name")
        if "\0" in value or len(value) > _LONGEST_VARIABLE:
            raise ValueError(f"the value of {name!r} holds a NUL or is longer than {_LONGEST_VARIABLE} characters")
    return environment


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return (annotation, *get_args(annotation))


def _advice(key: str, part: type["Part"]) -> str:
    """What to say to somebody who has written a key that a part has not."""
    if _COMMUNICATION.search(key):
        return "API version 2025-06-01 has no choice of how nodes are reached: all of them use the simplified way"
    near = _nearest(key, part)
    return f"did you mean {near!r}?" if near else f"there are {', '.join(part.model_fields)}"


def _nearest(key: str, part: type["Part"]) -> str | None:
    """The key of a part, or of one of its parts, that somebody has most likely meant; None if there is none."""
    own = {name: name for name in part.model_fields}
    below = {
        name: f"{outer}.{name}"
        for outer, field in part.model_fields.items()
        for kind in _kinds(field.annotation)
        if isinstance(kind, type) and issubclass(kind, Part)
        for name in kind.model_fields
    }
    if key in below:
        return below[key]
    for places in (own, below):
        within = [name for name in places if len(key) > 2 and (key in name or name in key)]
        if near := sorted(within, key=len, reverse=True) or get_close_matches(key, places, 1):
            return places[near[0]]
    return None


class Part(BaseModel):
    """Something that a description says, in keys that are known."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=show_part)

    @model_validator(mode="before")
    @classmethod
    def _keys_are_known(cls, data: Any) -> Any:
        for key in data if isinstance(data, Mapping) else ():
            if key not in cls.model_fields:
                raise ValueError(f"there is no key {key!r}: {_advice(str(key), cls)}")
            if isinstance(data[key], bool) and bool not in _kinds(cls.model_fields[key].annotation):
                raise ValueError(f"{key}: {str(data[key]).lower()} stands there, which YAML reads from yes and no, too")
        if not isinstance(data, Mapping):
            return data
        # Forms send a null for what was left out.
        optional = {name for name, field in cls.model_fields.items() if field.default is None}
        return {key: value for key, value in data.items() if value is not None or key not in optional}

    @model_serializer(mode="wrap")
    def _without_what_was_not_said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What nobody has said is not written down: whoever reads it would take it as said, and much goes not together.

        The kind of a mount is always written, by which it is read.
        """
        written: dict[str, Any] = write(self)
        return {name: value for name, value in written.items() if name in self.model_fields_set or name == "kind"}


class Autoscale(Part):
    """How many nodes a pool has when: by a scenario that is ready made, or by a formula of one's own."""

    scenario: Literal["pending", "spot-first", "working-hours", "drain"] = Field(
        default="pending",
        title="Scenario",
        description=(
            "pending: as many nodes as the pending tasks need, dedicated ones first. spot-first: spot nodes first, "
            "dedicated ones for what is not to be had as spot. working-hours: all nodes in the working hours, "
            "min_nodes at other times. drain: as pending, but the pool never grows again. Not given: pending."
        ),
    )
    formula: str | None = Field(
        default=None,
        min_length=1,
        max_length=7_000,  # Batch takes 8 KB; the lease needs some of it
        title="Formula",
        description="A formula of your own in place of a scenario; the run's lease is added to it.",
    )
    min_nodes: int = Field(
        default=0, ge=0, title="Least nodes", description="Nodes that are there in any case. Not given: 0."
    )
    hours: tuple[int, int] = Field(
        default=(8, 18),
        title="Working hours",
        description="Their first hour and the hour at which they end. Not given: 8, 18.",
    )
    days: tuple[Day, ...] = Field(
        default=_WORKING_DAYS,
        min_length=1,
        title="Working days",
        description="Days with working hours. Not given: mon to fri.",
    )
    utc_offset_hours: float = Field(
        default=0,
        ge=-12,
        le=14,
        title="UTC offset",
        description="Hours by which your clock is ahead of UTC. Not given: 0.",
    )

    @field_validator("hours")
    @classmethod
    def _hours_are_of_a_day(cls, hours: tuple[int, int]) -> tuple[int, int]:
        if not 0 <= hours[0] < hours[1] <= 24:
            raise ValueError(f"{list(hours)} is no span of hours of a day, such as [8, 18]")
        return hours

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.formula and self.model_fields_set - {"formula"}:
            raise ValueError("formula: it goes without a scenario and what scenarios can be told")
        clock = {"hours", "days", "utc_offset_hours"} & self.model_fields_set
        if clock and self.scenario != "working-hours":
            raise ValueError(f"{min(clock)}: it is for the scenario working-hours, not {self.scenario}")
        return self


class Needs(Part):
    """What a node must have, in place of a VM size by name."""

    cpus: int = Field(default=1, ge=1, title="Cores", description="vCPUs. Not given: 1.")
    memory_gib: float = Field(default=0, ge=0, title="Memory", description="In GiB. Not given: any.")
    gpus: int = Field(default=0, ge=0, title="GPUs", description="Number of GPUs. Not given: 0.")
    local_disk_gib: int = Field(
        default=0, ge=0, title="Local disk", description="Temporary disk of the machine itself, in GiB. Not given: any."
    )

    def __str__(self) -> str:
        """As a person reads it."""
        given = {name: value for name, value in self if value}
        return ", ".join(f"{name}: {value:g}" for name, value in given.items())


class StartTask(Part):
    """What prepares each node whenever it starts."""

    model_config = ConfigDict(title="Start task")

    command: str = Field(min_length=1, title="Command", description="What runs, through /bin/bash.")
    files: tuple[str, ...] = Field(
        default=(),
        title="Files",
        description="Files for its working directory: local ones, az://container/blob, or https links.",
    )
    elevated: bool = Field(
        default=False, title="Elevated", description="As an administrator, for apt-get and the like."
    )
    retries: int = Field(
        default=0, ge=0, le=100, title="Retries", description="How often it is repeated if it fails. Not given: 0."
    )
    wait: bool = Field(
        default=True, title="Wait", description="A node takes tasks only when it has succeeded (the default)."
    )

    @field_validator("files")
    @classmethod
    def _links_are_https(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := next((file for file in files if file.startswith("http://")), None):
            raise ValueError(f"{wrong!r} is no https link")
        return files


class Registry(Part):
    """A container registry that nodes sign in to."""

    server: str = Field(min_length=1, title="Server", description="Its address, such as myregistry.azurecr.io.")
    username: str | None = Field(default=None, title="User name", description="Who signs in with a password.")
    password_secret: str | None = Field(
        default=None, title="Password", description="Name of the Prefect Secret block that holds the password."
    )
    identity: str | None = Field(
        default=None, title="Identity", description="Resource id of an identity of the nodes that signs in instead."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if bool(self.identity) == bool(self.username) or bool(self.username) != bool(self.password_secret):
            raise ValueError("sign in either by username and password_secret, or by identity")
        if self.identity:
            check_resource(self.identity, "userAssignedIdentities")
        return self


class Container(Part):
    """The container image that tasks run in; it needs /bin/bash."""

    image: str = Field(min_length=1, title="Image", description="Such as myregistry.azurecr.io/solver:2.1.")
    run_options: str = Field(default="", title="Run options", description="Further options of docker run.")
    prefetch: tuple[str, ...] = Field(
        default=(), title="Prefetch", description="Further images that nodes fetch before their first task."
    )
    registries: tuple[Registry, ...] = Field(default=(), title="Registries", description="Registries to sign in to.")


class Network(Part):
    """Where nodes stand in a network."""

    subnet: str | None = Field(
        default=None, title="Subnet", description="Resource id of the subnet of a virtual network that nodes join."
    )
    public_ip: bool = Field(
        default=True, title="Public IP", description="Nodes have public addresses (the default); no needs a subnet."
    )
    public_ips: tuple[str, ...] = Field(
        default=(), title="Own public IPs", description="Resource ids of public addresses of your own that they have."
    )
    accelerated: bool = Field(
        default=False, title="Accelerated", description="Accelerated networking, where the VM size has it."
    )

    @model_validator(mode="after")
    def _parts_go_together(self) -> Self:
        if self.subnet:
            check_resource(self.subnet, "subnets")
        if not self.public_ip and not self.subnet:
            raise ValueError("public_ip: nodes without a public address need a subnet through which Batch reaches them")
        if self.public_ips and not self.public_ip:
            raise ValueError("public_ips: nodes without a public address have none")
        for address in self.public_ips:
            check_resource(address, "publicIPAddresses")
        return self


def _check_mount_path(path: str) -> str:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", path) or ".." in path.split("/"):
        raise ValueError(f"{path!r} is no relative path below AZ_BATCH_NODE_MOUNTS_DIR")
    return path


class _Mounted(Part):
    # In a form they come after what tells the kind.
    path: str = Field(
        json_schema_extra={"position": 1},
        title="Path",
        description="Where it is mounted, below AZ_BATCH_NODE_MOUNTS_DIR.",
    )
    options: str = Field(
        default="", json_schema_extra={"position": 2}, title="Options", description="Further options of the mount."
    )

    @field_validator("path")
    @classmethod
    def _path_is_below(cls, path: str) -> str:
        return _check_mount_path(path)


class BlobMount(_Mounted):
    """A container of blobs, by blobfuse."""

    model_config = ConfigDict(title="Container", json_schema_extra=show_member)

    kind: Literal["blob"] = "blob"
    account: str | None = Field(
        default=None, title="Storage account", description="Its name. Not given: that of the storage block."
    )
    container: str = Field(min_length=1, title="Container", description="The container of blobs.")
    key_secret: str | None = Field(
        default=None, title="Account key", description="Name of the Prefect Secret block that holds the account's key."
    )
    identity: str | None = Field(
        default=None, title="Identity", description="Resource id of an identity of the nodes that reads it instead."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if bool(self.key_secret) == bool(self.identity):
            raise ValueError("sign in either by key_secret or by identity")
        if self.identity:
            check_resource(self.identity, "userAssignedIdentities")
        return self


class NfsMount(_Mounted):
    """A file system of an NFS server."""

    model_config = ConfigDict(title="NFS", json_schema_extra=show_member)

    kind: Literal["nfs"] = "nfs"
    source: str = Field(min_length=1, title="Source", description="Such as 10.0.0.4:/export.")


class FilesMount(_Mounted):
    """A share of Azure Files."""

    model_config = ConfigDict(title="Azure Files", json_schema_extra=show_member)

    kind: Literal["files"] = "files"
    url: str = Field(title="Share", description="Such as https://mystorage.file.core.windows.net/share.")
    key_secret: str = Field(
        min_length=1, title="Account key", description="Name of the Prefect Secret block that holds the account's key."
    )

    @property
    def account_name(self) -> str:
        """Name of its storage account."""
        return str(urlsplit(self.url).hostname).partition(".")[0]

    @field_validator("url")
    @classmethod
    def _url_is_of_a_share(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or not parts.path.strip("/"):
            raise ValueError(f"{url!r} is no address of a share, such as https://mystorage.file.core.windows.net/share")
        return url


_MOUNTS: dict[str, type[BaseModel]] = {"blob": BlobMount, "nfs": NfsMount, "files": FilesMount}


def _mount_kind(data: Any) -> Any:
    return kind_of(data, _MOUNTS)


Mount: TypeAlias = Annotated[
    BlobMount | NfsMount | FilesMount, Field(discriminator="kind"), BeforeValidator(_mount_kind)
]


class DataDisk(Part):
    """An empty disk that each node has besides; a start task formats and mounts it."""

    model_config = ConfigDict(title="Data disk")

    size_gib: int = Field(ge=1, le=32_767, title="Size", description="In GiB.")
    caching: Literal["none", "readonly", "readwrite"] = Field(
        default="none", title="Caching", description="Of the host. Not given: none."
    )
    storage: Literal["standard_lrs", "premium_lrs", "standardssd_lrs"] = Field(
        default="standard_lrs", title="Storage", description="What kind of disk. Not given: standard_lrs."
    )


class Disks(Part):
    """The disks of nodes."""

    encrypt: tuple[Literal["osdisk", "temporarydisk"], ...] = Field(
        default=(), title="Encrypt", description="Which disks Batch encrypts on the nodes."
    )
    encrypt_at_host: bool = Field(
        default=False, title="Encrypt at host", description="The host encrypts all of a node's disks and caches."
    )
    ephemeral_os: bool = Field(
        default=False, title="Ephemeral OS disk", description="The OS disk lies in the VM's cache: faster, and free."
    )
    data: tuple[DataDisk, ...] = Field(
        default=(), max_length=64, title="Data disks", description="Empty disks besides."
    )


_USER_NAME = r"^[A-Za-z_][A-Za-z0-9_.-]{0,19}$"


class NodeUser(Part):
    """A user account that every node has."""

    model_config = ConfigDict(title="User account")

    name: str = Field(
        pattern=_USER_NAME,
        title="Name",
        description="At most 20 letters, digits, '_', '.', '-'.",
    )
    password_secret: str = Field(
        min_length=1, title="Password", description="Name of the Prefect Secret block that holds the password."
    )
    elevated: bool = Field(default=False, title="Elevated", description="An administrator.")

    @field_validator("name", mode="before")
    @classmethod
    def _name_can_be_one(cls, name: object) -> object:
        if isinstance(name, str) and not re.match(_USER_NAME, name):
            raise ValueError(f"{name!r} is no user's name: 1 to 20 letters, digits, '_', '.', '-', no digit first")
        return name
