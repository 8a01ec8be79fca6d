"""The end of a log says why a program has failed."""

from prefect_azure_batch.tasks.logs import last_lines

NOISE = [
    "[proxy:2@node-3] HYD_pmcd_pmip_control_cmd_cb (pmip_cb.c:490): assert (!closed) failed",
    "[mpiexec@node-1] main (mpiexec.c:270): process manager error waiting for completion",
]


def test_what_the_launcher_says_of_itself_does_not_push_out_the_reason() -> None:
    own = ["Traceback", "ImportError: no module named x", "localbatch: rank 1 on node n: exit code 1"]
    assert last_lines("\n".join([*own, *NOISE * 10]).encode()).splitlines() == own


def test_a_log_with_nothing_else_is_shown_as_it_is() -> None:
    assert last_lines("\n".join(NOISE).encode()).splitlines() == NOISE
