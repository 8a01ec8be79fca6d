"""What is told about failures shows no secrets."""

import errno

import pytest

from localbatch.driver.failures import download_failure, launch_failure, without_signature, write_failure


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://a.blob.core.windows.net/c/b?sv=1&sig=secret", "https://a.blob.core.windows.net/c/b"),
        ("http://me:secret@host:81/x#y", "http://host:81/x"),
        ("http://[broken?sig=secret", "an invalid link"),
    ],
)
def test_a_link_is_shown_without_its_signature(link: str, shown: str) -> None:
    assert without_signature(link) == shown
    assert "secret" not in repr(download_failure(404, link, "b", "404"))


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOENT, "CommandProgramNotFound"), (errno.EACCES, "CommandLaunchFailed")]
)
def test_a_missing_program_is_told_from_one_that_cannot_be_run(number: int, code: str) -> None:
    assert launch_failure(number, "reason").code == code


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "DiskFull"), (errno.EIO, "ResourceFileWriteFailed")])
def test_a_full_disk_is_told_from_other_trouble(number: int, code: str) -> None:
    assert write_failure("a.txt", OSError(number, "reason")).code == code
