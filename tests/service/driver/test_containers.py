"""Commands in containers: what podman and docker are told, and that nothing of a container is left."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from localbatch.bodies.containers import ContainerRegistry
from localbatch.driver.image import NodeImage
from localbatch.driver.interface import ContainerHost, Outcome
from localbatch.driver.process import ProcessDriver
from tests.support.containers import IMAGE, StandIn, container_node, make_stand_in, settings, working_podman
from tests.support.nodes import TASK, Node, eventually, local_node, place, processes_below
from tests.support.processes import wait_until

ROOT = Path(__file__).resolve().parents[3]
STAYING = """/bin/sh -c 'trap "" TERM; touch up; while :; do sleep 0.05; done'"""
REGISTRY = ContainerRegistry(username="me", password="hush", registry_server="registry.example")

SERVICE = """
import asyncio, sys
from pathlib import Path
from tests.support.containers import container_node, settings

async def main():
    root, programs, image, command = sys.argv[1:]
    async with container_node(Path(root), Path(programs)) as node:
        await node.run(command, container=settings(image))

asyncio.run(main())
"""


@pytest.fixture
def stand_in(tmp_path: Path) -> StandIn:
    return make_stand_in(tmp_path)


def code_of(outcome: Outcome) -> str | None:
    return outcome.failure.code if outcome.failure else None


def reason_of(outcome: Outcome) -> str:
    assert outcome.failure is not None
    return dict(outcome.failure.details)["Message"]


async def test_a_container_is_made_as_its_settings_say_and_removed(tmp_path: Path, stand_in: StandIn) -> None:
    user = {"SECRET": "a b", "PATH": "/bin:/usr/bin"}
    wanted = settings(containerRunOptions="--memory=1g --env='X=two words'")
    async with container_node(tmp_path, stand_in.programs) as node:
        line = "/bin/sh -c 'echo $SECRET $X; pwd; echo oh >&2; exit 4'"
        outcome = await node.run(line, environment=user, container=wanted)
        working = node.path("wd")
        assert (outcome.exit_code, outcome.container_id, code_of(outcome)) == (4, "id-of-container", "FailureExitCode")
        assert node.stdout() == f"a b two words\n{working}\n"
        assert node.path("stderr.txt").read_text() == "oh\n"
        (create,) = stand_in.calls("create")
        root = node.place.root
    assert create[:2] == ["create", "--pull=never"]
    assert create[-5:] == ["--env=X=two words", IMAGE, "/bin/sh", "-c", "echo $SECRET $X; pwd; echo oh >&2; exit 4"]
    assert {
        *("--env=SECRET", "--env=PATH=/bin:/usr/bin", "--env=AZ_BATCH_TASK_WORKING_DIR", "--memory=1g"),
        *("--hostname=node-1", "--network=host", "--log-driver=none", f"--workdir={working}"),
        f"--mount=type=bind,source={root},target={root}",
        f"--label=localbatch.node={root}",
    } <= set(create)
    assert not any("a b" in word for word in create)
    assert stand_in.containers() == []
    assert stand_in.calls()[-1][0] == "rm"


async def test_an_empty_command_line_is_the_images_own(tmp_path: Path, stand_in: StandIn) -> None:
    async with container_node(tmp_path, stand_in.programs) as node:
        await node.run("", container=settings())
    assert stand_in.calls("create")[0][-1] == IMAGE


async def test_a_network_of_ones_own_is_left_to_the_client(tmp_path: Path, stand_in: StandIn) -> None:
    async with container_node(tmp_path, stand_in.programs) as node:
        await node.run("true", container=settings(containerRunOptions="--network=none"))
    assert [word for word in stand_in.calls("create")[0] if word.startswith("--network")] == ["--network=none"]


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        ([], {}),
        ([{"source": "Shared"}], {"shared": ""}),
        (
            [{"source": "VfsMounts", "isReadOnly": True}, {"source": "Applications"}],
            {"fsmounts": ",readonly", "applications": ""},
        ),
        ([{"source": "Task"}, {"source": "Startup"}], {TASK: "", "startup": ""}),
        ([{"source": "JobPrep"}], {"workitems/job/job-1/jobpreparation": ""}),
    ],
)
async def test_a_container_sees_what_of_its_node_it_is_to_see(
    tmp_path: Path, stand_in: StandIn, mounts: list[dict[str, object]], expected: dict[str, str]
) -> None:
    async with container_node(tmp_path, stand_in.programs) as node:
        preparation = node.path(directory="workitems/job/job-1/jobpreparation")
        preparation.mkdir(parents=True)
        wanted = settings(containerHostBatchBindMounts=mounts)
        outcome = await node.run("true", variables={"AZ_BATCH_JOB_PREP_DIR": str(preparation)}, container=wanted)
        assert outcome.exit_code == 0
        root = node.place.root
    create = stand_in.calls("create")[0]
    given = [word for word in create if word.startswith("--mount=") and "/etc/hosts" not in word]
    assert given == [
        f"--mount=type=bind,source={root}/{name},target={root}/{name}{how}" for name, how in expected.items()
    ]
    assert any(word.startswith("--workdir=") for word in create) == (TASK in expected)


async def test_a_directory_of_any_name_can_be_mounted(tmp_path: Path) -> None:
    odd = tmp_path / 'a,b "c" é'
    odd.mkdir()
    stand_in = make_stand_in(odd)
    async with container_node(odd, stand_in.programs) as node:
        assert (await node.run("true", container=settings())).exit_code == 0
        quoted = f"source={node.place.root}".replace('"', '""')
    assert f'"{quoted}"' in " ".join(stand_in.calls("create")[0])


async def test_an_image_that_is_not_there_is_fetched_with_the_passwords_of_its_registries(
    tmp_path: Path, stand_in: StandIn
) -> None:
    own = {"username": "you", "password": "hush2", "registryServer": "other.example"}
    async with container_node(tmp_path, stand_in.programs, registries=(REGISTRY,)) as node:
        outcome = await node.run("true", container=settings("registry.example/image:1", registry=own))
        assert list((node.place.root / "volatile" / "containers").iterdir()) == []
    assert outcome.exit_code == 0
    login = (stand_in.state / "login").read_text()
    assert all(f'"{server}.example"' in login for server in ("registry", "other"))
    assert "hush" not in str(stand_in.calls())


async def test_an_image_that_cannot_be_had_fails_the_task(tmp_path: Path, stand_in: StandIn) -> None:
    async with container_node(tmp_path, stand_in.programs) as node:
        outcome = await node.run("true", container=settings("nowhere/image"))
    assert (outcome.exit_code, code_of(outcome)) == (None, "ContainerInvalidImage")
    assert reason_of(outcome) == "Error: unauthorized"
    assert stand_in.calls("start") == []


async def test_a_pools_images_are_fetched_before_its_nodes_are_ready(tmp_path: Path, stand_in: StandIn) -> None:
    async with container_node(tmp_path, stand_in.programs, images=(IMAGE, "registry.example/image:1")):
        assert [call[-1] for call in stand_in.calls("pull")] == ["registry.example/image:1"]
        driver = ProcessDriver(image=NodeImage((stand_in.programs,)))
        other = replace(place(tmp_path, 2), containers=ContainerHost(("nowhere/image",)))
        failure = await driver.create_node(other, ())
        await driver.close()
    assert failure is not None
    assert failure.code == "ContainerInvalidImage"


@pytest.mark.parametrize(
    ("line", "options", "code", "reason"),
    [
        ("no-such-program", "", "CommandProgramNotFound", "Error: executable not found"),
        ("true", "--nonsense", "CommandLaunchFailed", "Error: unknown flag: --nonsense"),
        ("true", "'", "CommandLaunchFailed", "No closing quotation"),
    ],
)
async def test_a_container_that_cannot_be_started_says_why(
    tmp_path: Path, stand_in: StandIn, line: str, options: str, code: str, reason: str
) -> None:
    async with container_node(tmp_path, stand_in.programs) as node:
        outcome = await node.run(line, container=settings(containerRunOptions=options))
    assert (outcome.exit_code, code_of(outcome), reason_of(outcome)) == (None, code, reason)
    assert stand_in.containers() == []


async def test_a_program_may_end_with_a_code_that_podman_uses_too(tmp_path: Path, stand_in: StandIn) -> None:
    async with container_node(tmp_path, stand_in.programs) as node:
        outcome = await node.run("/bin/sh -c 'exit 127'", container=settings())
    assert (outcome.exit_code, code_of(outcome)) == (127, "FailureExitCode")


async def test_where_nothing_runs_containers_the_task_fails(tmp_path: Path) -> None:
    stand_in = make_stand_in(tmp_path, "podman", "docker")
    (stand_in.state / "broken").touch()
    async with container_node(tmp_path, stand_in.programs, images=(IMAGE,)) as node:
        outcome = await node.run("touch ran", container=settings())
        assert not node.path("wd/ran").exists()
    assert (outcome.exit_code, code_of(outcome)) == (None, "ContainerPoolNotSupported")


async def test_on_a_pool_that_is_not_for_containers_the_task_fails(tmp_path: Path) -> None:
    async with local_node(tmp_path) as node:
        outcome = await node.run("touch ran", container=settings())
        assert not node.path("wd/ran").exists()
    assert (outcome.exit_code, code_of(outcome)) == (None, "ContainerPoolNotSupported")


async def test_docker_is_told_in_its_own_words(tmp_path: Path) -> None:
    stand_in = make_stand_in(tmp_path, "docker", "podman")
    (stand_in.programs / "podman").write_text("#!/bin/sh\nexit 1\n")
    async with container_node(tmp_path, stand_in.programs) as node:
        outcome = await node.run("true", container=settings("registry.example/image:1"))
    assert outcome.exit_code == 0
    assert next(call[0] for call in stand_in.calls() if "pull" in call).startswith("--config=")
    assert [call[0] for call in stand_in.calls()[-2:]] == ["stop", "rm"]
    assert stand_in.containers() == []


async def test_a_container_has_a_time_limit(tmp_path: Path, stand_in: StandIn) -> None:
    async with container_node(tmp_path, stand_in.programs, grace=0.2) as node:
        outcome = await node.run(STAYING, seconds=2, container=settings())
        assert (outcome.exit_code, code_of(outcome)) == (None, "TaskEnded")
        assert node.processes() == []
    assert stand_in.containers() == []


async def test_a_cancelled_container_is_removed_before_the_cancellation_goes_on(
    tmp_path: Path, stand_in: StandIn
) -> None:
    async with container_node(tmp_path, stand_in.programs, grace=0.2) as node:
        running = await staying(node)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert node.processes() == []
    assert stand_in.containers() == []


async def staying(node: Node, image: str = IMAGE) -> "asyncio.Task[Outcome]":
    running = asyncio.ensure_future(node.run(STAYING, container=settings(image)))
    await eventually(node.path("wd/up").exists, seconds=30)
    return running


def test_a_container_is_removed_when_the_service_is_killed(tmp_path: Path, stand_in: StandIn) -> None:
    kill_service(tmp_path, stand_in.programs, IMAGE)
    wait_until(lambda: stand_in.containers() == [] and processes_below(tmp_path) == [], 20)


def kill_service(root: Path, programs: Path, image: str) -> None:
    """Runs a service whose task stays in a container, and kills it with the program that starts its commands."""
    words = [sys.executable, "-c", SERVICE, str(root), str(programs), image, STAYING]
    with subprocess.Popen(words, cwd=ROOT, start_new_session=True) as service:
        wait_until((root / "node-1" / TASK / "wd" / "up").exists, 30)
        os.kill(service.pid, signal.SIGKILL)


async def test_a_container_left_from_an_earlier_life_is_removed_when_the_node_starts(
    tmp_path: Path, stand_in: StandIn
) -> None:
    async with container_node(tmp_path, stand_in.programs) as node:
        await node.run("true", container=settings())
        (stand_in.state / "left.json").write_text("{}")
        assert await node.driver.create_node(node.place, ()) is None
    assert stand_in.calls("ps")[0][-1] == f"--filter=label=localbatch.node={node.place.root}"
    assert stand_in.containers() == []


@pytest.fixture(scope="module")
def podman() -> Iterator[Path]:
    """A directory with a podman that has an image of its own."""
    # Podman refuses to work where paths are long, as those that pytest makes are.
    with TemporaryDirectory(prefix="podman-") as root:
        found = working_podman(Path(root))
        if found is None:
            pytest.skip("podman and a static busybox are not there, or podman can't run containers on this machine")
        yield found
        subprocess.run([found / "podman", "rm", "--all", "--force"], capture_output=True, check=False)


def containers_of(podman: Path) -> str:
    return subprocess.run([podman / "podman", "ps", "-aq"], capture_output=True, text=True, check=True).stdout


async def test_podman_runs_a_task_in_a_container(tmp_path: Path, podman: Path) -> None:
    seen = tmp_path / "seen"
    async with container_node(tmp_path, podman) as node:
        node.place = replace(node.place, mount=seen)
        line = "/bin/sh -c 'echo $IMAGE; hostname; pwd; echo made > $AZ_BATCH_TASK_WORKING_DIR/file; exit 3'"
        outcome = await node.run(line, container=settings(f"localhost/{IMAGE}"))
        assert (outcome.exit_code, code_of(outcome)) == (3, "FailureExitCode")
        assert node.stdout() == f"yes\nnode-1\n{seen}/{TASK}/wd\n"
        assert node.path("wd/file").read_text() == "made\n"
        assert outcome.usage.user_seconds + outcome.usage.kernel_seconds > 0
        missing = await node.run("/no/such/program", container=settings(f"localhost/{IMAGE}"))
        assert code_of(missing) == "CommandProgramNotFound"
    assert containers_of(podman) == ""


async def test_podman_ends_a_container_that_does_not_want_to(tmp_path: Path, podman: Path) -> None:
    async with container_node(tmp_path, podman, grace=0.2) as node:
        running = await staying(node, f"localhost/{IMAGE}")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert node.processes() == []
    assert containers_of(podman) == ""


def test_podman_ends_a_container_whose_service_was_killed(tmp_path: Path, podman: Path) -> None:
    kill_service(tmp_path, podman, f"localhost/{IMAGE}")
    wait_until(lambda: containers_of(podman) == "" and processes_below(tmp_path) == [], 30)
