"""The README says what is true, and is short; what it has in common with all pages is tested in test_docs.py."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.documents import ROOT, blocks, text_of

README = "README.md"


def test_it_is_read_in_three_minutes() -> None:
    text = text_of(README)
    assert len(text.splitlines()) <= 130
    assert len(text.split()) < 900


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    for part in ("-c constraints.txt -e '.[dev]'", "-m pytest"):
        assert part in blocks(README, "bash")[1]
        assert part in ci


@pytest.mark.parametrize("code", blocks(README, "python"))
def test_every_example_is_python(code: str) -> None:
    compile(code, README, "exec")


def test_the_example_with_localbatch_alone_runs(tmp_path: Path) -> None:
    code = next(code for code in blocks(README, "python") if '"localbatch"' in code)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "batch.node.ubuntu" in done.stdout
