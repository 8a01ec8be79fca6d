"""What the end of a command means."""

from datetime import UTC, datetime, timedelta

import pytest

from localbatch.driver.interface import Failure, Outcome
from localbatch.engine.outcomes import completion, ended_by_request, expiry, runs_again, start_info

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EXIT = Failure("usererror", "FailureExitCode", "message", (("Message", "detail"),))
MISSING = Failure("usererror", "BlobNotFound", "message")


@pytest.mark.parametrize(
    ("code", "failure", "retries", "limit", "expected"),
    [
        (0, None, 0, 3, False),
        (1, EXIT, 0, 0, False),
        (1, EXIT, 0, 1, True),
        (1, EXIT, 1, 1, False),
        (1, EXIT, 1000, -1, True),
        (None, MISSING, 0, 3, False),
        (0, Failure("servererror", "FileUploadMiscError", "m"), 0, 3, False),
        (None, Failure("usererror", "TaskEnded", "m"), 0, 3, False),
    ],
)
def test_only_an_exit_code_makes_a_command_run_again(
    code: int | None, failure: Failure | None, retries: int, limit: int, expected: bool
) -> None:
    assert runs_again(Outcome(NOW, NOW, code, failure), retries, limit) is expected


def test_a_success_has_an_exit_code_and_no_failure() -> None:
    fields = completion(Outcome(NOW, NOW, 0, None))
    assert fields == {"ended": NOW, "exit_code": 0, "result": "success", "failure": None, "container": None}


def test_a_failure_is_told_in_the_words_of_the_wire() -> None:
    fields = completion(Outcome(NOW, NOW, 7, EXIT))
    assert fields["result"] == "failure"
    assert fields["failure"] == {
        "category": "usererror",
        "code": "FailureExitCode",
        "message": "message",
        "details": [{"name": "Message", "value": "detail"}],
    }


def test_what_was_ended_from_outside_has_no_exit_code() -> None:
    fields = ended_by_request(NOW)
    assert (fields["exit_code"], fields["result"], fields["failure"]["code"]) == (None, "failure", "TaskEnded")


def test_files_are_kept_as_long_as_their_retention_says() -> None:
    assert expiry(NOW, 60) == NOW + timedelta(minutes=1)
    assert expiry(NOW, None) is None
    assert expiry(NOW, 1e12) is None


def test_a_start_task_is_shown_while_it_runs_and_when_it_has_ended() -> None:
    assert start_info(None, NOW, 0, None) == {
        "state": "running",
        "startTime": "2026-01-02T03:04:05.0000000Z",
        "retryCount": 0,
    }
    ended = start_info(Outcome(NOW, NOW, 0, None), NOW, 1, NOW)
    assert (ended["state"], ended["exitCode"], ended["result"], ended["retryCount"]) == ("completed", 0, "success", 1)
    assert "failureInfo" not in ended
