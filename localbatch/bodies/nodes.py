"""Request bodies of nodes, as clients send them."""

from pydantic import Field

from localbatch.bodies.body import Body, Time
from localbatch.bodies.commands import IdentityReference


class NodeReboot(Body):
    """What becomes of the tasks of a node that is to be rebooted."""

    others = ()
    option: str = Field("requeue", alias="nodeRebootOption")


class NodeReimage(Body):
    """What becomes of the tasks of a node that is to be reimaged."""

    others = ()
    option: str = Field("requeue", alias="nodeReimageOption")


class NodeDeallocation(Body):
    """What becomes of the tasks of a node that is to be deallocated."""

    others = ()
    option: str = Field("requeue", alias="nodeDeallocateOption")


class NodeSchedulingDisabling(Body):
    """What becomes of the tasks of a node that is to take no more of them."""

    others = ()
    node_disable_scheduling_option: str = "requeue"


class NodeUserReplacement(Body):
    """What a PUT replaces of a user account of a node; what is left out gets its default."""

    others = ()
    password: str | None = None
    expiry_time: Time | None = None
    ssh_public_key: str | None = None


class NodeUser(NodeUserReplacement):
    """A user account of a node."""

    name: str
    is_admin: bool = False


class NodeLogUpload(Body):
    """Where to the logs of a node go, and of which time."""

    others = ()
    container_url: str
    start_time: Time
    end_time: Time | None = None
    identity_reference: IdentityReference | None = None
