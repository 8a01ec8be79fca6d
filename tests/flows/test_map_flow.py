"""The map flow, run in this process against a local Azure and a Prefect server."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from azure.batch import models
from pydantic import ValidationError

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.blocks.azure_batch_pool import AzureBatchPool
from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.map_flow import map_flow
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.flows.results import MapResult, TasksFailed
from prefect_azure_batch.tasks.cleanup import delete_created
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.pool import create_pool
from prefect_azure_batch.tasks.records import Created, PoolPlan
from tests.flows.conftest import left_behind
from tests.support.hostile import HOSTILE_NAMES
from tests.support.processes import wait_until

Run = Callable[..., MapResult]


@pytest.fixture
def run(account_name: str | None, tmp_path: Path) -> Run:
    """Runs the flow on the account of the test, results in ``out``."""

    def run(**parameters: object) -> MapResult:
        given = {"account": account_name, "results": str(tmp_path / "out"), "resume": False, **parameters}
        return map_flow(MapParameters.model_validate(given))

    return run


def texts(result: MapResult) -> list[str]:
    return [Path(task.stdout).read_text() for task in result.tasks if task.stdout]


def test_the_bundled_example_runs_on_two_nodes(account: AzureBatchAccount, run: Run) -> None:
    result = run()
    assert result.counts.succeeded == len(result.tasks) == 4
    assert [text.splitlines()[0].startswith("Hostname: ") for text in texts(result)] == [True] * 4
    assert "The third reading" in texts(result)[2]
    assert len({task.node_id for task in result.tasks}) == 2
    assert left_behind(account) == []


def test_a_run_has_a_report_whose_links_lead_to_its_files(run: Run, two_files: Path, tmp_path: Path) -> None:
    run(inputs=[str(two_files)], command="cp {input} 'a copy.txt'", outputs=["*copy.txt"])
    text = (tmp_path / "out" / "report.html").read_text()
    links = [unquote(unescape(link)) for link in re.findall('href="([^"]+)"', text)]
    assert len(links) == 6
    assert [link for link in links if not (tmp_path / "out" / link).is_file()] == []


def test_hostile_names_work_everywhere_and_inject_nothing(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    for number, name in enumerate(HOSTILE_NAMES):
        (folder / name).write_text("x" * number)
    command = "wc -c < {input}; cp {input} kept.bin; test ! -e injected"
    result = run(inputs=[str(folder)], command=command, outputs=["kept.bin", "?*.none"], nodes=3, slots=4)
    by_input = {Path(task.input).name: task for task in result.tasks}
    assert result.counts.succeeded == len(HOSTILE_NAMES)
    for number, name in enumerate(HOSTILE_NAMES):
        task = by_input[name]
        assert task.stdout is not None
        assert int(Path(task.stdout).read_text()) == number
        assert [Path(path).read_text() for path in task.outputs] == ["x" * number]


def test_an_attempt_does_not_find_what_the_one_before_has_left(
    account: AzureBatchAccount, account_name: str | None, two_files: Path, tmp_path: Path
) -> None:
    command = f"cat {{input}} >> {{stem}}.out; echo {tmp_path}; test -d ../attempt-1"
    run = MapParameters(
        inputs=[str(two_files)], command=command, outputs=["*.out"], retries=1, nodes=1, results=str(tmp_path / "out"),
        account=account_name,
    )  # fmt: skip
    assert [Path(task.outputs[0]).read_text() for task in map_flow(run).tasks] == ["alpha", "beta gamma"]


@pytest.mark.parametrize("stored", [False, True])
def test_outputs_are_those_of_the_attempt_that_succeeded(
    account: AzureBatchAccount, account_name: str | None, two_files: Path, tmp_path: Path, stored: bool
) -> None:
    command = f"""if [ -e {tmp_path}/{{stem}} ]; then echo good > b.dat; else
        touch {tmp_path}/{{stem}}; echo bad > a.dat; echo bad > b.dat; exit 3; fi"""
    run = MapParameters(
        inputs=[str(two_files)], command=command, outputs=["*.dat"], retries=1, nodes=1, account=account_name,
        results="az://attempts/out" if stored else str(tmp_path / "out"),
    )  # fmt: skip
    for task in map_flow(run).tasks:
        assert [Path(path).name for path in task.outputs] == ["b.dat"]
    again = run.model_copy(update={"command": f"echo {tmp_path}; exit 3", "outputs": ["?*.dat"]})
    with pytest.raises(TasksFailed) as failed:
        map_flow(again)
    assert [task.outputs for task in failed.value.result.tasks] == [[], []]


def test_a_required_output_of_a_failed_attempt_does_not_count(two_files: Path, run: Run, tmp_path: Path) -> None:
    command = f"test -e {tmp_path}/{{stem}} || {{{{ touch {tmp_path}/{{stem}}; echo bad > a.dat; exit 3; }}}}"
    with pytest.raises(TasksFailed, match="2 of 2 tasks") as failed:
        run(inputs=[str(two_files)], command=command, outputs=["a.dat"], retries=1)
    assert [task.exit_code for task in failed.value.result.tasks] == [0, 0]
    assert "left no file that matches 'a.dat'" in (failed.value.result.tasks[0].error or "")


def test_what_a_failed_task_has_left_is_kept_apart(two_files: Path, run: Run) -> None:
    with pytest.raises(TasksFailed) as failed:
        run(inputs=[str(two_files)], command="echo part > a.dat; exit 3", outputs=["a.dat"])
    (path,) = failed.value.result.tasks[0].outputs
    assert Path(path).parts[-2:] == ("failed", "a.dat")


def test_a_failed_task_fails_the_run_and_is_named(account: AzureBatchAccount, two_files: Path, run: Run) -> None:
    command = 'grep -q alpha {input} || {{ echo "no alpha here" >&2; exit 3; }}'
    with pytest.raises(TasksFailed, match="1 of 2 tasks") as failed:
        run(inputs=[str(two_files)], command=command)
    result = failed.value.result
    assert [(task.state, task.exit_code) for task in result.tasks] == [("succeeded", 0), ("failed", 3)]
    error = result.tasks[1].error or ""
    for part in ("exit code 3", "no alpha here", result.tasks[1].node_id or "?"):
        assert part in error
    assert left_behind(account) == []


def test_a_killed_program_is_told_with_its_signal(two_files: Path, run: Run) -> None:
    with pytest.raises(TasksFailed) as failed:
        run(inputs=[str(two_files)], command="kill -KILL $$")
    assert [task.exit_code for task in failed.value.result.tasks] == [137, 137]
    assert "exit code 137 (killed by SIGKILL)" in (failed.value.result.tasks[0].error or "")


def test_inputs_may_be_blobs(account: AzureBatchAccount, run: Run) -> None:
    container = account.storage.get_client().get_container_client("given")
    container.create_container()
    for name in ("x/a b.txt", "x/ü?#%.txt", "y/other.txt"):
        container.upload_blob(name, name.encode())
    result = run(inputs=["az://given/x/"], command="cat {input}")
    assert texts(result) == ["x/a b.txt", "x/ü?#%.txt"]


def test_many_inputs_go_through_the_stages_in_batches(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "inputs"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:03}.txt").write_text(str(number))
    result = run(inputs=[str(folder)], command="cat {input}", nodes=2, slots=4)
    assert texts(result) == [str(number) for number in range(60)]


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"pool": "no-such-pool"}, "no pool"),
        ({"app": "nothing:1.0"}, "no application"),
        ({"app": "/no/such/program"}, "does not exist"),
        ({"account": "no-such-block"}, "no Azure Batch account block"),
        ({"inputs": ["az://no-such-container/x"]}, "container"),
        ({"inputs": ["/no/such/file"]}, "No input matches"),
    ],
)
def test_what_does_not_exist_is_told_before_anything_is_created(
    account: AzureBatchAccount, two_files: Path, run: Run, parameters: dict[str, object], complaint: str
) -> None:
    with pytest.raises(BadInput, match=complaint) as refused:
        run(**{"inputs": [str(two_files)], "command": "cat {input}", **parameters})
    assert "\n" not in str(refused.value)
    assert left_behind(account) == []


def test_a_run_uses_the_account_block_it_names(account: AzureBatchAccount, two_files: Path, run: Run) -> None:
    account.save("named", overwrite=True)
    result = run(account="named", inputs=[str(two_files)], command="cat {input}")
    assert texts(result) == ["alpha", "beta gamma"]


def test_a_pool_that_exists_is_used_and_kept(account: AzureBatchAccount, two_files: Path, run: Run) -> None:
    create_pool(account, PoolPlan("kept-pool", PoolDescription(nodes=1, slots=2), run_id="kept"))
    with ThreadPoolExecutor(1) as beside:
        tasks = beside.submit(_first_tasks, account)
        result = run(pool="kept-pool", inputs=[str(two_files)], command="sleep 2; cat {input}")
    assert {task.constraints and task.constraints.retention_time for task in tasks.result()} == {timedelta(days=1)}
    assert (result.pool_id, result.counts.succeeded) == ("kept-pool", 2)
    assert account.get_client().get_pool("kept-pool").state == "active"
    delete_created(account, Created(pool_id="kept-pool"))


def test_a_pool_for_mpi_is_refused(account: AzureBatchAccount, two_files: Path, run: Run) -> None:
    create_pool(account, PoolPlan("for-mpi", PoolDescription(nodes=1), instances=1))
    with pytest.raises(BadInput, match="made for MPI tasks"):
        run(pool="for-mpi", inputs=[str(two_files)], command="cat {input}")
    delete_created(account, Created(pool_id="for-mpi"))


def test_a_pile_of_outputs_and_a_file_named_like_a_log_are_kept(two_files: Path, run: Run) -> None:
    command = "mkdir -p plots/deep; echo 1 > plots/deep/a.png; echo 2 > plots/b.png; echo mine > stdout.txt; echo log"
    result = run(inputs=[str(two_files)], command=command, outputs=["plots/**/*.png", "stdout.txt"])
    for task in result.tasks:
        names = {path.partition(task.task_id)[2]: Path(path).read_text() for path in task.outputs}
        assert names == {"/plots/deep/a.png": "1\n", "/plots/b.png": "2\n", "/wd/stdout.txt": "mine\n"}
    assert texts(result) == ["log\n", "log\n"]


def test_a_pool_block_says_what_the_pool_shall_be_and_options_go_before_it(
    account: AzureBatchAccount, two_files: Path, run: Run
) -> None:
    described = PoolDescription(nodes=1, slots=3, spot_nodes=1, environment={"GREETING": "hello"})
    AzureBatchPool(pool=described).save("overnight", overwrite=True)
    client = account.get_client()

    def of_two_slots() -> list[models.BatchPool]:
        return [
            pool for pool in client.list_pools() if (pool.id or "").startswith("map-") and pool.task_slots_per_node == 2
        ]

    with ThreadPoolExecutor(1) as beside:
        shown = beside.submit(wait_until, lambda: bool(of_two_slots()), 60)
        formulas = beside.submit(lambda: [pool.auto_scale_formula or "" for pool in of_two_slots()])
        result = run(pool_block="overnight", slots=2, inputs=[str(two_files)], command='echo "$GREETING"; sleep 3')
    shown.result()
    assert texts(result) == ["hello\n", "hello\n"]
    (formula,) = formulas.result()
    assert formula.startswith("$TargetDedicatedNodes = 1;\n$TargetLowPriorityNodes = 1;\n")


def test_a_pool_block_that_is_not_there_is_refused(run: Run, two_files: Path) -> None:
    with pytest.raises(BadInput, match="there is no Azure Batch Pool block named 'nothing'"):
        run(pool_block="nothing", inputs=[str(two_files)], command="cat {input}")


def test_other_variables_are_other_work(two_files: Path, run: Run) -> None:
    def counts(**environment: str) -> tuple[int, int]:
        asked = {"environment": environment} if environment else {}
        result = run(
            new_pool=asked, inputs=[str(two_files)], command="echo other-variables $A; cat {input}", resume=True
        )
        return result.counts.succeeded, result.counts.skipped

    assert [counts(), counts(), counts(A="1"), counts(A="2"), counts(A="1")] == [(2, 0), (0, 2), (2, 0), (2, 0), (0, 2)]


def test_tasks_may_take_several_slots_after_a_setup_of_their_node(
    account: AzureBatchAccount, two_files: Path, run: Run
) -> None:
    """Two tasks of two slots each on a node of three: one after the other."""
    shared = "$AZ_BATCH_NODE_SHARED_DIR"
    command = f"cat {shared}/set-up; mkdir {shared}/alone; sleep 1; rmdir {shared}/alone"
    asked = {"nodes": 1, "slots": 3, "required_slots": 2, "priority": 7, "elevated": True}
    with ThreadPoolExecutor(1) as beside:
        jobs = beside.submit(_first_job, account)
        result = run(setup=f"echo ready > {shared}/set-up", inputs=[str(two_files)], command=command, **asked)
    assert texts(result) == ["ready\n", "ready\n"]
    job = jobs.result()
    assert (job.priority, job.job_preparation_task and job.job_preparation_task.user_identity is not None) == (7, True)


def _first_job(account: AzureBatchAccount) -> models.BatchJob:
    """The job of a run that is about to begin."""
    client = account.get_client()

    def those() -> list[models.BatchJob]:
        return [job for job in client.list_jobs() if job.priority == 7]

    wait_until(lambda: bool(those()), 60)
    return those()[0]


def _first_tasks(account: AzureBatchAccount) -> list[models.BatchTask]:
    """The two tasks of a run on the pool that is kept."""
    client = account.get_client()

    def those() -> list[models.BatchTask]:
        jobs = [job for job in client.list_jobs() if job.pool_info and job.pool_info.pool_id == "kept-pool"]
        return [task for job in jobs for task in client.list_tasks(job.id or "")]

    wait_until(lambda: len(those()) == 2, 60)
    return those()


def test_a_task_that_needs_more_slots_than_a_node_has_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"--required-slots: a task needs 4 slots, and a node has 1"):
        MapParameters(inputs=["x"], command="true", required_slots=4)


def test_a_sweep_needs_no_file_and_is_not_run_again(run: Run, account: AzureBatchAccount) -> None:
    asked = {"sweep": ["seed=1..10", "model=a,$(touch injected)"], "slots": 8, "resume": True}
    command = 'test ! -e injected && echo "{model}" {seed}'
    result = run(command=command, **asked)
    assert texts(result) == [f"{model} {seed}\n" for seed in range(1, 11) for model in ("a", "$(touch injected)")]
    assert result.tasks[0].input == "seed=1 model=a"
    assert run(command=command, **asked).counts.skipped == 20
    more = run(command=command, **{**asked, "sweep": ["seed=10..11", "model=a"]})
    assert (more.counts.succeeded, more.counts.skipped) == (1, 1)
    assert left_behind(account) == []


def test_a_sweep_takes_each_file_with_each_value_and_a_table_each_row(
    run: Run, two_files: Path, tmp_path: Path
) -> None:
    result = run(inputs=[str(two_files)], sweep=["lines=1,2"], command='echo {lines} "$(cat {input})" {index}')
    assert [text.split()[0] for text in texts(result)] == ["1", "2", "1", "2"]
    assert [text.split()[-1] for text in texts(result)] == ["0", "1", "2", "3"]
    first, second = sorted(two_files.iterdir())
    table = tmp_path / "runs.csv"
    table.write_text(f"input,gain\n{second},high\n{first},low\n")
    result = run(table=str(table), command="echo {gain} {stem}")
    assert texts(result) == [f"high {second.stem}\n", f"low {first.stem}\n"]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"sweep": ["n=1..2"]}, "--sweep and --command go together: --command is missing"),
        ({"sweep": ["n=1..2"], "command": "cat {input}"}, "{input} stands for a file, and there are no --inputs"),
        (
            {"sweep": ["n=1..2"], "command": "echo {m}"},
            "unknown placeholder '{m}': there are {input}, {stem}, {index}, {n}",
        ),
        ({"sweep": ["n=2..1"], "command": "echo {n}"}, "--sweep: The range 2..1 has no values"),
        ({"table": "no/such.csv", "command": "echo {n}"}, "--table: The table 'no/such.csv' cannot be read"),
        ({"table": "x", "sweep": ["n=1"], "command": "true"}, "--table: it says what the tasks are for"),
    ],
)
def test_what_no_sweep_can_be_is_refused(asked: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MapParameters.model_validate(asked)
    assert complaint in str(refused.value)


def test_common_files_and_variables_are_there_for_every_task_and_make_other_work(
    run: Run, two_files: Path, tmp_path: Path
) -> None:
    common = tmp_path / "table of factors.txt"
    common.write_text("factors")
    asked = {"common": [str(common)], "env": {"MODE": "fast"}, "inputs": [str(two_files)], "resume": True}
    command = 'cat "table of factors.txt"; echo " $MODE {stem}"'
    names = [path.stem for path in sorted(two_files.iterdir())]
    assert texts(run(command=command, **asked)) == [f"factors fast {name}\n" for name in names]
    assert run(command=command, **asked).counts.skipped == 2
    common.write_text("others")
    assert texts(run(command=command, **asked)) == [f"others fast {name}\n" for name in names]
    swept = run(command=command.replace("{stem}", "{n}"), **{**asked, "inputs": [], "sweep": ["n=1"]})
    assert texts(swept) == ["others fast 1\n"]


def test_a_common_file_with_the_name_of_an_input_is_refused(run: Run, two_files: Path, tmp_path: Path) -> None:
    twin = tmp_path / "twin" / min(two_files.iterdir()).name
    twin.parent.mkdir()
    twin.write_text("other")
    with pytest.raises(BadInput, match="--common: a common file has the name of the input"):
        run(common=[str(twin)], inputs=[str(two_files)], command="cat {input}")


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        (["A"], "env\n  Value error, 'A' is no variable: write NAME=VALUE"),
        (["1A=b"], "'1A' is no variable"),
        (["BATCH_MAP_INPUT=x"], "'BATCH_MAP_INPUT' is set by Batch or by the flow"),
        (["AZ_BATCH_JOB_ID=x"], "'AZ_BATCH_JOB_ID' is set by Batch"),
    ],
)
def test_what_is_no_variable_is_refused(env: list[str], complaint: str) -> None:
    with pytest.raises(ValidationError) as refused:
        MapParameters.model_validate({"env": env})
    assert complaint in str(refused.value)


def test_exit_codes_that_count_as_success_are_told_and_kept_by_a_resumed_run(two_files: Path, run: Run) -> None:
    command = "echo for-succeed-on > a.dat; grep -q alpha {input} || exit 3"
    asked = {"inputs": [str(two_files)], "command": command, "outputs": ["a.dat"], "resume": True}

    def ends(**parameters: object) -> list[tuple[str, int | None, list[str]]]:
        tasks = run(**asked, **parameters).tasks
        return [(task.state, task.exit_code, [Path(path).parent.name for path in task.outputs]) for task in tasks]

    with pytest.raises(TasksFailed, match="1 of 2 tasks"):
        ends()
    found = ends(succeed_on=["0,3"], retries=1)
    assert [end[:2] for end in found] == [("skipped", 0), ("succeeded", 3)]
    assert "failed" not in found[1][2]
    assert [end[:2] for end in ends(succeed_on=[3])] == [("skipped", 0), ("skipped", 3)]
    with pytest.raises(TasksFailed, match="1 of 2 tasks"):
        ends()


def test_exit_codes_of_success_are_told_where_results_stay_in_storage(two_files: Path, run: Run) -> None:
    result = run(inputs=[str(two_files)], command="exit 7", succeed_on=[7], results="az://codes/out")
    assert [(task.state, task.exit_code) for task in result.tasks] == [("succeeded", 7)] * 2


def test_an_exit_code_may_end_the_whole_run(account: AzureBatchAccount, run: Run, tmp_path: Path) -> None:
    """Five tasks one after the other, of which the second ends the run: two are begun, and one goes well."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    for number in range(5):
        (folder / str(number)).write_text(str(number))
    command = f"echo {{stem}} >> {tmp_path}/begun; test $(wc -l < {tmp_path}/begun) -lt 2 || exit 64"
    with pytest.raises(TasksFailed, match="4 of 5 tasks") as failed:
        run(inputs=[str(folder)], command=command, stop_on=[64], nodes=1)
    assert len((tmp_path / "begun").read_text().split()) == 2
    errors = [task.error or "" for task in failed.value.result.tasks if task.exit_code is None]
    assert all("ended with exit code 64, which ends the run: --stop-on" in error for error in errors)
    assert (len(errors), left_behind(account)) == (3, [])


def test_an_exit_code_that_ends_no_run_fails_its_task_alone(two_files: Path, run: Run) -> None:
    with pytest.raises(TasksFailed) as failed:
        run(inputs=[str(two_files)], command="grep -q alpha {input} || exit 5", stop_on=[64], nodes=1)
    assert [task.exit_code for task in failed.value.result.tasks] == [0, 5]
