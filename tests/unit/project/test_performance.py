"""The one table of docs/performance.md: what it is made of, and that nothing that failed is hidden."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import end_to_end, performance, start_up
from benchmarks.arguments import amount, amount_or_none, duration, one_of, refuse_unknown, some_time
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


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_interrupted_run_shows_what_has_been_found(number: str, status: int) -> None:
    code = (
        "import signal, sys\nfrom benchmarks import performance\nfrom benchmarks.performance import Outcome, Section\n"
        "def sections(chosen, asked):\n"
        "    yield Section('c', 'Adding tasks', 'python', Outcome(({'tasks': 7},)))\n"
        f"    signal.raise_signal(signal.{number})\n"
        "    yield Section('d', 'Waiting', 'python', Outcome())\n"
        "performance.sections = sections\nsys.exit(performance.main(['c', 'd']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "| 7 |" in done.stdout
    assert "Waiting" not in done.stdout
    assert done.stderr == "Interrupted: 1 of 2 benchmarks are done.\n"


def test_sigterm_ends_a_program_that_clears_up_even_if_it_comes_twice() -> None:
    code = (
        "import signal\nfrom benchmarks.trial import heed_signals\nheed_signals()\n"
        "try:\n    signal.raise_signal(signal.SIGTERM)\n"
        "finally:\n    signal.raise_signal(signal.SIGTERM); print('cleared up')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, "cleared up\n"), done.stderr


def test_a_program_that_nohup_has_started_goes_on_when_the_terminal_is_closed() -> None:
    code = (
        "import signal\nfrom benchmarks.trial import heed_signals\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "heed_signals()\nsignal.raise_signal(signal.SIGHUP); print('goes on')"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True).stdout == b"goes on\n"


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
    ("kind", "given", "said"),
    [
        (amount, "0", "'0' is no whole number from 1 on"),
        (amount, "1.5", "'1.5' is no whole number from 1 on"),
        (amount_or_none, "-1", "'-1' is no whole number from 0 on"),
        (duration, "nan", "'nan' is no finite number"),
        (duration, "soon", "'soon' is no finite number"),
        (duration, "-1", "'-1' is no number from 0 on"),
        (some_time, "0", "'0' is no number above 0"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(kind: Callable[[str], float], given: str, said: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{said}$"):
        kind(given)


def test_numbers_at_their_bounds_are_taken() -> None:
    assert (amount("1"), amount_or_none("0"), duration("0"), some_time("0.1")) == (1, 0, 0.0, 0.1)


@pytest.mark.parametrize("words", [[], ["a"], ["a", "b"]])
def test_words_that_are_names_are_taken_and_need_not_be_there(words: list[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("words", nargs="*", type=one_of(("a", "b")))
    assert parser.parse_args(words).words == words


def test_words_that_are_a_part_of_no_name_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser(prog="it")
    refuse_unknown(parser, ["quo", "rate"], ["quota", "rate"])
    with pytest.raises(SystemExit, match="2"):
        refuse_unknown(parser, ["quo", "nosuch"], ["quota", "rate"])
    assert capsys.readouterr().err.splitlines()[-1] == "it: error: nothing is called 'nosuch': 'quota', 'rate'"


@pytest.mark.parametrize(
    ("program", "arguments", "said"),
    [
        (start_up.main, ["nosuch"], "nothing is called 'nosuch': 'cold', 'warm', 'server', 'both'"),
        (start_up.main, ["--rounds", "0"], "--rounds: '0' is no whole number from 1 on"),
        (end_to_end.main, ["nosuch"], "no contender is called 'nosuch': xargs"),
        (end_to_end.main, ["--inputs", "4", "0"], "--inputs: '0' is no whole number from 1 on"),
        (end_to_end.main, ["--latency-ms", "inf"], "--latency-ms: 'inf' is no finite number"),
    ],
)
def test_programs_refuse_wrong_values_in_one_line(
    program: Callable[[list[str]], None], arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        program(arguments)
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_a_quick_run_has_small_sizes_for_each_benchmark() -> None:
    assert [each.name for each in BENCHMARKS if not each.quick] == []


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
