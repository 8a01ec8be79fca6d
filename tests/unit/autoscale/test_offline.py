"""``python -m localbatch.autoscale``: a formula tried without a pool."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from localbatch.autoscale.__main__ import main


def attempt(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        status = main(arguments)
    except SystemExit as ended:
        status = int(str(ended.code))
    written = capsys.readouterr()
    return status, written.out, written.err


def write(file: Path, text: str) -> str:
    file.write_text(text, encoding="utf-8")
    return str(file)


def test_a_formula_is_tried_with_samples_sizes_and_a_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    formula = write(
        tmp_path / "formula",
        "$TargetDedicatedNodes = avg($PendingTasks.GetSample(3)) + $TargetDedicatedNodes;\n"
        "h = time().hour; c = $CPUPercent.GetSample(TimeInterval_Second * 20);\n"
        "a = $ActiveTasks.GetSample(TimeInterval_Hour)",
    )
    samples = {
        "$PendingTasks": [4, 4, 7],
        "$CPUPercent": {"period": 10, "values": [0.25, 0.5, 0.75]},
        "$ActiveTasks": [["2025-11-25T10:00:00Z", 1], ["2025-11-25T10:30:00Z", 2]],
    }
    pool = {"targetDedicatedNodes": 2, "targetLowPriorityNodes": 1}
    file = write(tmp_path / "samples.json", json.dumps({"samples": samples, "pool": pool}))
    status, out, err = attempt(capsys, formula, "--samples", file, "--at", "2025-11-25T11:15:00Z")
    assert (status, err) == (0, "")
    assert out == (
        "$TargetDedicatedNodes=7;$TargetLowPriorityNodes=1;$NodeDeallocationOption=requeue;a=[2];c=[0.5,0.75];h=11\n"
    )


def test_standard_input_is_a_formula_too() -> None:
    command = [sys.executable, "-m", "localbatch.autoscale", "-"]
    done = subprocess.run(command, input="$TargetDedicatedNodes = 1", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("$TargetDedicatedNodes=1;")


def test_a_byte_order_mark_is_no_part_of_the_formula(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = attempt(capsys, write(tmp_path / "formula", "\ufeff$TargetDedicatedNodes = 1;\r\n"))
    assert (status, out.split(";")[0]) == (0, "$TargetDedicatedNodes=1")


@pytest.mark.parametrize(
    ("formula", "samples", "message"),
    [
        (
            "x = 1 +",
            "{}",
            "The specified auto-scaling formula has a syntax error: Line 1, Col 8: expected a value, found",
        ),
        ("$x", "{}", "could not be evaluated: Line 1, Col 1: expected a variable that has a value, found '$x'"),
        ("x = 1", "{", "samples.json: the document: Invalid JSON"),
        ("x = 1", '{"samples": {"$PendingTasks": ["a"]}}', "samples.json: samples.$PendingTasks."),
        ("x = 1", '{"samples": {"$Pending": [1]}}', "$Pending is not one of the sample variables"),
        ("x = 1", '{"samples": {"$ActiveTasks": [["soon", 1]]}}', "expected a time in W3C-DTF or RFC 1123"),
        ("x = 1", '{"samples": {"$ActiveTasks": [["0001-01-01T00:00+01:00", 1]]}}', "outside the years 1 to 9999"),
        ("x = 1", '{"samples": {"$ActiveTasks": [["2025-11-25T10:00+24:00", 1]]}}', "expected a time in W3C-DTF"),
        ("x = 1", '{"pool": {"nodes": 1}}', "pool.nodes"),
        ("x = 1", '{"pool": {"targetDedicatedNodes": -1}}', "pool.targetDedicatedNodes"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], formula: str, samples: str, message: str
) -> None:
    files = write(tmp_path / "formula", formula), write(tmp_path / "samples.json", samples)
    status, out, err = attempt(capsys, files[0], "--samples", files[1])
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "the following arguments are required: FORMULA_FILE"),
        (("{missing}",), "cannot read {missing}: No such file or directory"),
        (("{binary}",), "{binary} is not a text in UTF-8"),
        (("{formula}", "--at", "noon"), "expected a time in W3C-DTF or RFC 1123, found 'noon'"),
        (("{formula}", "--at", "9999-12-31T23:59-01:00"), "the timestamp lies outside the years 1 to 9999"),
        (("{formula}", "--samples", "{missing}"), "cannot read {missing}"),
    ],
)
def test_wrong_options_are_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    places = {name: str(tmp_path / name) for name in ("missing", "binary")}
    places["formula"] = write(tmp_path / "formula", "x = 1")
    status, out, err = attempt(capsys, *(argument.format(**places) for argument in arguments))
    assert (status, out) == (2, "")
    assert message.format(**places) in err
    assert err.count("\n") == 1
