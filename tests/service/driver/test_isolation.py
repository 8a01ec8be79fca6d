"""A node has a name and an address of its own, and the machine keeps its own."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import localbatch
from localbatch.driver import starter, supervisor
from localbatch.driver.isolation import Place
from tests.support.nodes import Node, local_node, place

NOBODY = 65534
WHO_PROGRAM = "import os, socket; n = socket.gethostname(); print(n, socket.gethostbyname(n), os.getuid())"
WHO = f'python3 -S -c "{WHO_PROGRAM}"'


def can_have_names(*flags: str) -> bool:
    """Whether this kernel lets this user have a host name of his own."""
    return subprocess.run(["unshare", *flags, "true"], capture_output=True, check=False).returncode == 0


needs_names = pytest.mark.skipif(
    not can_have_names("--uts", "--mount", *([] if os.geteuid() == 0 else ["--user"])),
    reason="this kernel gives no namespaces to this user",
)


@needs_names
async def test_two_nodes_have_different_names_and_addresses(tmp_path: Path) -> None:
    async with local_node(tmp_path) as first:
        second = Node(first.driver, place(tmp_path, 2))
        assert await second.driver.create_node(second.place, ()) is None
        for node in (first, second):
            assert (await node.run(WHO)).exit_code == 0
        assert first.stdout() == f"node-1 127.1.0.4 {os.getuid()}\n"
        assert second.stdout() == f"node-2 127.1.0.5 {os.getuid()}\n"


async def test_the_machine_keeps_its_name_its_hosts_and_its_mounts(tmp_path: Path) -> None:
    def machine() -> tuple[str, str, str]:
        return socket.gethostname(), Path("/etc/hosts").read_text(), Path("/proc/self/mountinfo").read_text()

    before = machine()
    async with local_node(tmp_path) as node:
        await node.run("true")
        assert machine() == before


async def test_local_names_are_still_known_on_a_node(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        await node.run("python3 -S -c \"import socket; print(socket.gethostbyname('localhost'))\"")
        assert node.stdout() == "127.0.0.1\n"


async def test_a_node_whose_hosts_file_is_gone_still_runs_commands(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        (node.place.root / "volatile" / "hosts").unlink()
        assert (await node.run("hostname")).exit_code == 0


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory in which any user may write."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def interpreter_of_anyone() -> str | None:
    """Returns a Python that a user without rights can run; root's own may lie in root's home."""
    for path in (sys.executable, "/usr/bin/python3"):
        try:
            check = [path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
            if subprocess.run(check, user=NOBODY, group=NOBODY, check=False).returncode == 0:
                return path
        except OSError:
            continue
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; the other tests ran as one")
def test_an_ordinary_user_stays_who_he_is_on_a_node_with_a_name_of_its_own(open_directory: Path) -> None:
    interpreter = interpreter_of_anyone()
    if interpreter is None:
        pytest.skip("there is no interpreter that another user may run")
    shutil.copytree(Path(localbatch.__file__).parent, open_directory / "localbatch")
    program = starter.program(str(open_directory))
    (open_directory / "hosts").write_text("127.1.0.4 node-1\n")
    seen = open_directory / "seen"
    seen.mkdir()
    where: Place = {
        "hostname": "node-1",
        "hosts": f"{open_directory}/hosts",
        "root": str(open_directory),
        "mount": str(seen),
        "grace": 1.0,
        "listen": "",
    }
    order: supervisor.Order = {
        "words": ["/bin/sh", "-c", f"{interpreter} -S $HERE/who.py; setsid sleep 600 &"],
        "environment": {"PATH": os.defpath, "HERE": str(open_directory)},
        "mounted": {"HERE": str(seen)},
        "directory": str(open_directory),
        "stdout": f"{open_directory}/stdout.txt",
        "stderr": f"{open_directory}/stderr.txt",
        "last": True,
        "cleanup": [],
    }
    (open_directory / "who.py").write_text(WHO_PROGRAM)
    control, theirs = socket.socketpair()
    command = [interpreter, "-I", "-S", "-c", program]
    with control, subprocess.Popen(command, stdin=theirs.fileno(), env={}, user=NOBODY, group=NOBODY):
        theirs.close()
        reports = give_order(control, where, order)
        control.close()
    said = (open_directory / "stdout.txt").read_text()
    assert (open_directory / "stderr.txt").read_text() == ""
    assert reports[-1]["code"] == 0
    machine = socket.gethostname()
    # Some systems keep ordinary users from having names of their own; they run commands all the same.
    expected = f"{machine} {socket.gethostbyname(machine)}" if "plain" in reports[0] else "node-1 127.1.0.4"
    assert said == f"{expected} {NOBODY}\n"


def give_order(control: socket.socket, where: Place, order: supervisor.Order) -> list[supervisor.Report]:
    """Has a command run to its end and returns what was reported."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(control, [b"c"], [theirs.fileno()])
        theirs.close()
        for message in (where, order):
            ours.sendall(json.dumps(message).encode() + b"\n")
        with ours.makefile("rb") as stream:
            assert stream.read(len(supervisor.READY)) == supervisor.READY
            reports: list[supervisor.Report] = []
            while not reports or "used" not in reports[-1]:
                reports.append(json.loads(stream.readline()))
            return reports
