"""What the nodes of a multi-instance task are given to run."""

from prefect_azure_batch.tasks.launcher import Launch
from prefect_azure_batch.tasks.multi_instance import Scripts, make_scripts
from prefect_azure_batch.tasks.records import MultiInstancePlan, Program


def test_the_launcher_line_is_made_for_a_program() -> None:
    scripts = make_scripts(None, MultiInstancePlan("./x {shared}", Launch("openmpi", 2, 8)))
    assert "exec mpirun -np 16 --host" in scripts.application
    assert scripts.application.endswith(' ./x "${AZ_BATCH_TASK_SHARED_DIR}"')


def test_a_whole_line_is_taken_as_it_is() -> None:
    line = "mpirun -np 2 ./x | tee {shared}/log; echo done"
    scripts = make_scripts(None, MultiInstancePlan(line, Launch("mpich", 3), whole_line=True))
    assert scripts == Scripts("true", 'mpirun -np 2 ./x | tee "${AZ_BATCH_TASK_SHARED_DIR}"/log; echo done')


def test_both_commands_find_the_program() -> None:
    plan = MultiInstancePlan("{app}/go", Launch("mpich", 3), whole_line=True, coordination="{app}/prepare")
    assert make_scripts(Program("digest", "APP"), plan) == Scripts('"${APP}"/prepare', '"${APP}"/go')
