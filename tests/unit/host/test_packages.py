"""What is said where the extra ``local`` is not installed."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest

from localbatch.host.foreground import BAD_OPTION, Options, run


def test_packages_that_are_missing_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec

    def find_all_but_two(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name in ("psutil", "jwt") else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", find_all_but_two)
    assert run(Options(storage=False)) == BAD_OPTION
    assert "of the extra `local` (PyJWT, psutil)" in capsys.readouterr().err
