"""What an explanation says on a terminal."""

from prefect_azure_batch.flows.explain import ExplainedJob
from prefect_azure_batch.tasks.explain import Explanation


def test_what_a_program_has_printed_cannot_command_the_terminal() -> None:
    reason = Explanation("task", "failed", "exit code 1; stderr ends: \x1b[2J\x07gone", 2)
    assert list(ExplainedJob(job="lab", reasons=[reason]).text()) == [
        "Job lab:",
        "  failed (2 tasks): task",
        "      exit code 1; stderr ends: \N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}gone",
    ]
