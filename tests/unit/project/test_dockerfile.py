"""deployments/Dockerfile: judged by hadolint, and by what it must not do."""

import re
import subprocess
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = ROOT / "deployments" / "Dockerfile"


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} (.*)", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)


def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(["hadolint", str(DOCKERFILE)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_its_base_is_a_version_of_python_that_the_project_takes() -> None:
    (base,) = instructions("ARG")
    assert {line.partition(" ")[0] for line in instructions("FROM")} == {"python:${PYTHON}"}
    version = re.fullmatch(r"PYTHON=(\d+)\.(\d+)\.\d+-slim-[a-z]+", base)
    assert version is not None
    assert (int(version[1]), int(version[2])) >= (3, 11)


def test_it_runs_as_nobody_in_particular_and_has_no_local_azure() -> None:
    assert instructions("USER") == ["10001"]
    assert "[local]" not in DOCKERFILE.read_text(encoding="utf-8")


def test_the_deployments_name_its_image_by_the_version_of_the_project() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    deployed = yaml.safe_load((ROOT / "deployments" / "prefect.yaml").read_text(encoding="utf-8"))
    image = deployed["definitions"]["docker"]["job_variables"]["image"]
    assert image == f"prefect-azure-batch:{version}"
    assert f"--tag {image}" in DOCKERFILE.read_text(encoding="utf-8")


def test_nothing_is_sent_to_the_engine_but_what_it_copies() -> None:
    lines = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["*", "!constraints.txt", "!dist/*.whl"]
    assert instructions("COPY")[0] == "constraints.txt dist/*.whl /tmp/"
