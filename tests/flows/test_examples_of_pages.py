"""Programs that the pages show run as they stand, against the local Azure and a Prefect server.

An account block "lab" is the local Azure here.
"""

from pathlib import Path
from typing import Any

import pytest

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
from prefect_azure_batch.blocks.credentials import DefaultCredential
from tests.support.documents import ROOT, blocks

pytestmark = pytest.mark.usefixtures("account_name")


@pytest.fixture(autouse=True)
def _in_a_directory_with_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)


def run(page: str, words: str) -> dict[str, Any]:
    """Runs the program of a page that has these words in it, and gives its names."""
    (code,) = (code for code in blocks(page, "python") if words in code)
    names: dict[str, Any] = {"__name__": page}
    exec(compile(code, page, "exec", dont_inherit=True), names)
    return names


def test_the_blocks_are_saved() -> None:
    run("docs/credentials.md", "account.save(")
    saved = AzureBatchAccount.load("lab")
    assert isinstance(saved, AzureBatchAccount)
    assert saved.credential == saved.storage.credential == DefaultCredential()
    run("docs/pools.md", ".save(")
    assert AzureBatchPool.load("overnight").pool.spot_nodes == 20  # type: ignore[union-attr]


@pytest.mark.parametrize("page", ["README.md", "docs/own-flow.md"])
def test_a_flow_of_stages_counts_words(page: str, account: AzureBatchAccount, two_files: Path) -> None:
    account.save("lab", overwrite=True)
    counted = run(page, "def count_words")["count_words"]([str(two_files)])
    assert [text.strip() for text in counted] == ["1", "2"]


def test_the_map_flow_is_called_from_python(capsys: pytest.CaptureFixture[str]) -> None:
    run("docs/map.md", "map_flow(")
    assert [line.split()[-1].isdecimal() for line in capsys.readouterr().out.splitlines()] == [True] * 4


def test_a_formula_is_evaluated() -> None:
    assert run("docs/autoscale.md", "evaluate(")["outcome"].dedicated == 3


def test_an_account_is_read_from_the_management_plane(account: AzureBatchAccount) -> None:
    names = run("docs/management.md", "BatchManagementClient(")
    assert names["azure"].endpoints.batch_account == account.account_name
