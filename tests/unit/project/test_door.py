"""What the package hands out to flows of a user's own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import prefect_azure_batch

SOURCE = Path(prefect_azure_batch.__file__)


def homes_for_editors() -> dict[str, str]:
    """The names and modules that type checkers and editors see."""
    (block,) = (node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    found: dict[str, str] = {}
    for line in block.body:
        assert isinstance(line, ast.ImportFrom)
        assert line.module
        found |= {name.name: line.module for name in line.names}
    return found


def test_every_name_is_listed_once_and_in_order() -> None:
    assert prefect_azure_batch.__all__ == sorted(set(prefect_azure_batch.__all__))
    assert sorted(homes_for_editors()) == prefect_azure_batch.__all__


@pytest.mark.parametrize("name", prefect_azure_batch.__all__)
def test_a_name_is_the_one_that_its_module_has(name: str) -> None:
    module = __import__(homes_for_editors()[name], fromlist=[name])
    assert getattr(prefect_azure_batch, name) is getattr(module, name)


@pytest.mark.parametrize("code", ["import prefect_azure_batch", "from prefect_azure_batch import MapParameters"])
def test_prefect_is_not_imported_before_it_is_needed(code: str) -> None:
    code += "; import sys; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=SOURCE.parents[1], check=False).returncode == 0


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'open_runs'"):
        prefect_azure_batch.open_runs  # noqa: B018
    assert set(prefect_azure_batch.__all__) <= set(dir(prefect_azure_batch))
