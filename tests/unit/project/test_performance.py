"""The one table of docs/performance.md: what it is made of, and that nothing that failed is hidden."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import end_to_end, performance
from benchmarks.end_to_end import Measured
from benchmarks.findings import Target, at_least, at_most
from benchmarks.machine import Machine, processor
from benchmarks.performance import BEGIN, BENCHMARKS, END, PAGE, Outcome, Section

FOUND = '{"rows": [{"tasks": 1000}], "targets": [{"wanted": "much: at least 2", "measured": 1.5, "met": false}]}'
MACHINE = Machine("2026-01-02", "A processor", 2, 4.0, "Linux 6", "3.11", {"prefect": "3.8"}, 0.1, "abc")


def section(outcome: Outcome) -> Section:
    return Section("c", "Adding tasks", "python -m benchmarks.adding --json", outcome)


def run(code: str, limit: float = 60) -> Outcome:
    return replace(performance.run([sys.executable, "-c", code], limit), seconds=0)


def test_what_a_program_prints_last_is_what_it_has_found() -> None:
    found = run(f"print('on the way'); print('''{FOUND}''')")
    assert found == Outcome(({"tasks": 1000},), (Target("much: at least 2", 1.5, False),))


@pytest.mark.parametrize(
    ("code", "failed"),
    [
        (f"print('''{FOUND}'''); raise SystemExit('the pool is gone')", "exit status 1: the pool is gone"),
        ("print('no JSON')", "exit status 0: no JSON"),
        ("raise SystemExit(3)", "exit status 3: it said nothing"),
        ("import sys; sys.exit(f'{sys.executable}: no module')", "exit status 1: python: no module"),
    ],
)
def test_a_program_that_fails_is_shown_with_its_last_line(code: str, failed: str) -> None:
    assert run(code) == Outcome(failed=failed)
    text = performance.page(MACHINE, [section(Outcome(failed=failed))])
    assert f"**Failed** after 0 s: `{failed}`" in text
    assert "| c | Adding tasks, measured | failed | **no** |" in text


def test_a_program_that_takes_too_long_is_ended() -> None:
    assert run("import time; time.sleep(600)", limit=0.3) == Outcome(failed="not done after 0.005 minutes")


def test_a_program_is_ended_as_ctrl_c_does_so_that_it_ends_what_it_has_started(tmp_path: Path) -> None:
    code = (
        "import time\ntry:\n    print('ready', flush=True); time.sleep(600)\nfinally:\n    open('ended', 'w').close()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        performance.stop(process)
    assert (tmp_path / "ended").exists()


def test_rows_of_one_kind_are_one_table() -> None:
    rows: list[dict[str, object]] = [
        {"tasks": 1000, "client": "bare", "seconds": 1.25},
        {"tasks": 1_000_000, "client": "a|b", "seconds": None},
        {"nodes": 4},
    ]
    assert performance.table(rows).splitlines() == [
        "| tasks | client | seconds |",
        "| ---: | --- | ---: |",
        "| 1,000 | bare | 1.25 |",
        "| 1,000,000 | a\\|b |  |",
        "",
        "| nodes |",
        "| ---: |",
        "| 4 |",
    ]


def test_targets_of_all_benchmarks_are_one_table() -> None:
    met, missed = at_least(0.9, 0.95, "adding"), at_most(1.15, 1.2345, "makespan")
    text = performance.page(MACHINE, [section(Outcome(targets=(met, missed)))])
    assert "| --- | --- | ---: | --- |" in text
    assert "| c | adding: at least 0.9 | 0.95 | yes |" in text
    assert "| c | makespan: at most 1.15 | 1.234 | **no** |" in text
    assert "A processor, 2 cores, 4 GiB, Linux 6, Python 3.11, prefect 3.8." in text


def test_prose_around_what_is_made_stays() -> None:
    filled = performance.fill(f"before\n{BEGIN}\nold\n{END}\nafter\n", "new")
    assert filled == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert performance.fill(filled, "new") == filled
    with pytest.raises(ValueError, match="has no"):
        performance.fill(f"{END}{BEGIN}", "new")


def test_the_page_has_its_marks() -> None:
    assert f"{BEGIN}\n\nmade\n\n{END}" in performance.fill(PAGE.read_text(), "made")


@pytest.mark.parametrize(("words", "names"), [(["c"], ["adding"]), (["adding", "b"], ["blob_transfer", "adding"])])
def test_words_choose_benchmarks(words: Sequence[str], names: list[str]) -> None:
    assert [each.name for each in BENCHMARKS if each.chosen(words)] == names


def test_airflow_is_told_to_those_that_take_it() -> None:
    asked = argparse.Namespace(quick=True, airflow="PYTHON")
    told = [each.command(asked) for each in BENCHMARKS if "--airflow" in each.command(asked)]
    assert told == [
        [
            *("-m", "benchmarks.end_to_end", "--airflow", "PYTHON", "--inputs", "4", "20", "--rounds", "1", "--json"),
        ]
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "no benchmark is called 'nothing': a end_to_end, b blob_transfer"),
        (["--write", "c"], "--write is for a whole run: without --quick and words"),
        (["--airflow", "no-such-python"], "--airflow: no-such-python is no Python that has Airflow"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        performance.main(arguments)
    assert said in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("seconds", "latency_ms", "expected"),
    [
        ({(4, "good"): 1.0, (4, "flow"): 5.5}, 0, [True]),
        ({(4, "good"): 1.0, (4, "flow"): 6.0}, 0, [False]),
        ({(1000, "good"): 10.0, (1000, "flow"): 10.1}, 0, [False]),
        ({(10_000, "good"): 13.1, (10_000, "flow"): 10.0}, 0, [True]),
        ({(1000, "plain"): 99.0, (1000, "flow"): 10.0, (1000, "good"): 9.0}, 30, [False]),
        ({(100, "good"): 10.0, (100, "flow"): 10.1}, 0, []),
    ],
)
def test_targets_end_to_end(seconds: dict[tuple[int, str], float], latency_ms: float, expected: list[bool]) -> None:
    found = {key: Measured(value, 1.0) for key, value in seconds.items()}
    assert [target.met for target in end_to_end.targets(found, latency_ms)] == expected


def test_the_processor_is_named_as_linux_does() -> None:
    assert processor("vendor_id\t: A\nmodel name\t: A  fast one\n") == "A  fast one"
    assert processor("BogoMIPS\t: 50") == ""
