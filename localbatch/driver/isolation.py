"""What makes a process see a node instead of this machine: namespaces of Linux. The standard library alone.

A node has a host name, an ``/etc/hosts`` and, as on Azure, its directory tree at the path where every other node has
its own; in a task on several nodes a ``/dev/shm`` too. Nothing of it is seen outside, and nothing of the machine is
changed.
"""

import ctypes
import os
from typing import TypedDict

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWUSER = 0x10000000
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SLAVE = 1 << 19

_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - one of our own is put over it

_libc = ctypes.CDLL(None, use_errno=True)


class Place(TypedDict):
    """A node, as the commands of one supervisor see it.

    Attributes:
        hostname: name of the node.
        hosts: file seen as ``/etc/hosts``; empty leaves names, addresses and paths as they are.
        root: the node's directory tree.
        mount: directory at which the tree is seen; empty leaves it where it is.
        grace: seconds between SIGTERM and SIGKILL.
        listen: socket on which the node takes commands from the other nodes of its task; empty for none.
    """

    hostname: str
    hosts: str
    root: str
    mount: str
    grace: float
    listen: str


class NoIsolation(Exception):
    """The kernel or its settings do not allow a name of one's own."""


def isolate(place: Place) -> None:
    """Has this process, which must have one thread, and all that it starts see a node.

    An ordinary user needs a user namespace for it, in which he stays who he is.

    Raises:
        NoIsolation: it was not allowed; nothing that matters has changed.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWUTS | _CLONE_NEWNS | (_CLONE_NEWUSER if user else 0))
    own = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    try:
        for file, text in own.items() if user else ():
            with open(f"/proc/self/{file}", "w") as stream:
                stream.write(text)
    except OSError as error:
        raise NoIsolation(str(error)) from error
    # What the machine mounts later is still seen here, what is mounted here is seen nowhere else.
    _call("mount", b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_SLAVE), None)
    _bind(place["hosts"], "/etc/hosts")
    if place["mount"]:
        _bind(place["root"], place["mount"])
    # Ranks that are killed leave what they share by name; here it goes with the last process of the task on its node.
    if place["listen"] and os.path.isdir(_SHARED_MEMORY):
        flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
        _call("mount", b"tmpfs", os.fsencode(_SHARED_MEMORY), b"tmpfs", flags, b"mode=1777")
    name = os.fsencode(place["hostname"])
    _call("sethostname", name, ctypes.c_size_t(len(name)))


def _bind(what: str, where: str) -> None:
    _call("mount", os.fsencode(what), os.fsencode(where), None, ctypes.c_ulong(_MS_BIND), None)


def _call(function: str, *arguments: object) -> None:
    try:
        result = getattr(_libc, function)(*arguments)
    except AttributeError as error:
        raise NoIsolation(f"{function}: this system has no such call") from error
    if result != 0:
        raise NoIsolation(f"{function}: {os.strerror(ctypes.get_errno())}")
