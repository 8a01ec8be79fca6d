"""How podman and docker are spoken to, as far as no program is needed."""

from pathlib import Path

import pytest

from localbatch.driver.container_runtime import ContainerRuntime, find_runtime, full_name


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("ubuntu", "docker.io/library/ubuntu"),
        ("ubuntu:22.04", "docker.io/library/ubuntu:22.04"),
        ("me/tool@sha256:0", "docker.io/me/tool@sha256:0"),
        ("registry.example/tool", "registry.example/tool"),
        ("registry:5000/me/tool:1", "registry:5000/me/tool:1"),
        ("localhost/tool", "localhost/tool"),
    ],
)
def test_an_image_without_a_registry_comes_from_docker_hub(image: str, expected: str) -> None:
    assert full_name(image) == expected


def test_values_that_would_change_what_the_program_does_are_handed_over_on_its_command_line() -> None:
    podman = ContainerRuntime("/usr/bin/podman", {"PATH": "/usr/bin", "HOME": "/root"})
    variables = {"PATH": "/bin", "HOME": "/x", "LD_PRELOAD": "l", "DOCKER_HOST": "h", "http_proxy": "p", "SECRET": "s"}
    words = podman.create("name", "image", ["true"], ["--memory=1g"], variables)
    assert words == [
        *("/usr/bin/podman", "create", "--pull=never", "--name=name", "--env=PATH=/bin", "--env=HOME=/x"),
        *("--env=LD_PRELOAD=l", "--env=DOCKER_HOST=h", "--env=http_proxy=p", "--env=SECRET"),
        *("--memory=1g", "image", "true"),
    ]
    assert podman.variables(variables) == {"PATH": "/usr/bin", "HOME": "/root", "SECRET": "s"}


async def test_a_program_that_is_there_and_does_not_answer_is_passed_over(tmp_path: Path) -> None:
    environment = {"HOME": "/h", "SECRET": "s", "DOCKER_HOST": "unix:///d"}
    assert await find_runtime(str(tmp_path), environment) is None
    for name, code in (("podman", 1), ("docker", 0)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
    found = await find_runtime(str(tmp_path), environment)
    kept = {"HOME": "/h", "DOCKER_HOST": "unix:///d", "PATH": str(tmp_path)}
    assert found == ContainerRuntime(str(tmp_path / "docker"), kept)
    assert not found.is_podman
