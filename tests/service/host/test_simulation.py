"""``python -m localbatch --simulation``: what simulated nodes do, by a file, as clients see it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from localbatch.launcher import LocalAzure
from tests.service.host.test_launcher_command_line import refuse_here
from tests.support.account import Account, open_account

SPEED = 3600
HOUR = timedelta(hours=1)


@pytest.fixture
def simulation(tmp_path: Path) -> Path:
    file = tmp_path / "simulation.yaml"
    file.write_text(
        f"speed: {SPEED}\nduration: 3600\nstart: 1800\nallocation: 600\noutcomes: [{{task: bad, exit_code: 3}}]\n"
    )
    return file


@pytest.fixture
def options(simulation: Path) -> tuple[str, ...]:
    return (f"--simulation={simulation}",)


@pytest.fixture
def azure(options: tuple[str, ...], tmp_path: Path) -> Iterator[LocalAzure]:
    with LocalAzure(root=tmp_path / "azure", storage=False, driver="simulated", attach=False, options=options) as azure:
        yield azure


def created(batch: Account, job: str) -> datetime:
    batch.make_job(job)
    return batch.client.get_job(job).creation_time


def test_hours_go_by_in_seconds_and_a_restart_goes_on_from_there(
    azure: LocalAzure, options: tuple[str, ...], tmp_path: Path
) -> None:
    with open_account(azure.endpoints, "hours", keep=True) as batch:
        batch.make_pool()
        begun = created(batch, "job")
        for task in ("good", "bad"):
            batch.add_task("no-such-program", task)
        (good, bad) = (batch.await_task(task).execution_info for task in ("good", "bad"))
        assert good is not None
        assert bad is not None
        assert (good.exit_code, bad.exit_code) == (0, 3)
        assert good.start_time is not None
        assert good.end_time is not None
        assert good.end_time - good.start_time >= HOUR
        assert good.start_time - begun >= 0.5 * HOUR  # what is left of allocation and start
        ended = good.end_time
        # What clients are held to is their own time, else signed requests would be refused.
        told = parsedate_to_datetime(httpx.get(azure.endpoints.batch_endpoint).headers["date"])
        assert abs(told - datetime.now(UTC)) < timedelta(minutes=5)
    azure.stop()
    with (
        LocalAzure(root=tmp_path / "azure", storage=False, driver="simulated", attach=False) as again,
        open_account(again.endpoints, "hours") as batch,
    ):
        first, second = created(batch, "first"), created(batch, "second")
        assert first > ended
        assert second - first < timedelta(minutes=5)  # it is as fast as this machine now


@pytest.mark.parametrize(
    ("content", "arguments", "reason"),
    [
        ("speed: 0.5", (), "simulation.yaml: speed: 0.5: Input should be greater than or equal to 1"),
        ("durations: 3", (), "simulation.yaml: 'durations' is no key here: did you mean duration?"),
        ("duration: [", (), "simulation.yaml: it cannot be read"),
        ("", (), "simulation.yaml: it holds no keys, such as duration: 10"),
        ("duration: 1", ("--driver", "process"), "--simulation goes with --driver simulated"),
        ("duration: 1", ("--task-seconds", "1"), "--task-seconds is a key of the file that --simulation names"),
        ("seed: 1", ("--preemption-seed", "0"), "--preemption-seed is a key of the file that --simulation names"),
        (None, (), "simulation.yaml: it cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_simulated_is_told_in_one_line(
    content: str | None, arguments: tuple[str, ...], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "simulation.yaml"
    if content is not None:
        file.write_text(content)
    status, _, said = refuse_here(capsys, "--driver", "simulated", "--simulation", str(file), *arguments)
    assert (status, said.count("\n")) == (2, 1)
    assert reason in said
