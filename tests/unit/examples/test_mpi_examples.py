"""The MPI examples, run by a real mpirun on this machine."""

import json
import os
import runpy
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "mpi"
RING = EXAMPLES / "app" / "ring.py"
HEAT = EXAMPLES / "app" / "heat.py"
INPUTS = [EXAMPLES / "inputs" / name for name in ("numbers.txt", "numbers2.txt")]

# The programs beside this Python first: mpirun and mpi4py then belong together.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
# Open MPI asks for leave to run as root, and to start more ranks than there are cores.
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
SECONDS = 60.0

# Off square, so that blocks are of unequal sizes; the discs touch the seams of every decomposition.
SMALL = {
    "size": [37, 52],
    "steps": 90,
    "cold": 5,
    "discs": [
        {"row": 15, "column": 20, "radius": 9, "temperature": 90},
        {"row": 27, "column": 38, "radius": 6, "temperature": 60.5},
    ],
}


@dataclass(frozen=True)
class Mpi:
    """Starts programs by mpirun in a directory."""

    mpirun: str
    folder: Path

    def start(self, *arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AZ_BATCH_")}
        return subprocess.run(
            [str(argument) for argument in arguments],
            cwd=self.folder,
            # Unbuffered Python is the harder case for lines that shall not be cut.
            env=inherited
            | OPEN_MPI
            | {"PATH": PATH, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
            | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            start_new_session=True,
        )

    def run(self, ranks: int, *program: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.start(self.mpirun, "-n", str(ranks), *program, **variables)

    def python(self, ranks: int, *program: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run(ranks, sys.executable, "-m", "mpi4py", *program, **variables)

    def heat(self, ranks: int, parameters: dict[str, object], *options: str) -> Any:
        (self.folder / "params.json").write_text(json.dumps(parameters))
        done = self.python(ranks, HEAT, "params.json", *options)
        assert done.returncode == 0, done.stderr
        return numpy().load(self.folder / "heat.npy")


def numpy() -> Any:
    return pytest.importorskip("numpy", reason="heat.py needs NumPy")


@pytest.fixture(scope="session")
def mpirun(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = shutil.which("mpirun", path=PATH)
    if found is None:
        pytest.skip("there is no mpirun on PATH or beside this Python")
    if find_spec("mpi4py") is None:
        pytest.skip("mpi4py is not installed")
    mpi = Mpi(found, tmp_path_factory.mktemp("probe"))
    counted = mpi.python(2, "-c", "from mpi4py.MPI import COMM_WORLD; print(f'size={COMM_WORLD.size}')")
    # Other libraries of an MPI may write lines of their own, and the lines of two ranks may run into one another.
    assert counted.stdout.count("size=2") == 2, f"{found} and mpi4py do not work together: {counted.stderr}"
    return found


@pytest.fixture
def mpi(mpirun: str, tmp_path: Path) -> Mpi:
    return Mpi(mpirun, tmp_path)


@pytest.fixture
def ring_in_c(mpi: Mpi) -> Path:
    mpicc = shutil.which("mpicc", path=PATH)
    if mpicc is None or not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("there is no mpicc or no C compiler")
    program = mpi.folder / "ring"
    built = mpi.start(mpicc, "-Wall", "-Wextra", "-Werror", "-O2", "-o", program, EXAMPLES / "app" / "ring.c")
    assert (built.returncode, built.stderr) == (0, "")
    return program


def totals(output: str) -> list[str]:
    return sorted(line.removeprefix("Total sum = ") for line in output.splitlines() if line.startswith("Total"))


# ------------------------------------------------------------------------------------------------------------ ring


@pytest.mark.parametrize(("ranks", "total"), [(1, 11), (3, 36), (4, 50)])
def test_the_ring_passes_a_number_on_and_rank_0_has_the_sum(mpi: Mpi, ranks: int, total: int) -> None:
    done = mpi.python(ranks, RING, *INPUTS)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert totals(done.stdout) == ["-1"] * (ranks - 1) + [str(total)]
    assert sorted(line for line in lines if line.startswith("Process")) == [
        f"Process {rank} received number {10 + rank} from process {rank - 1}" for rank in range(1, ranks)
    ]


def test_each_rank_of_the_ring_says_where_it_is_and_prints_the_common_files(mpi: Mpi) -> None:
    done = mpi.python(3, RING, *INPUTS, AZ_BATCH_NODE_ID="node-7")
    lines = done.stdout.splitlines()
    ranks = sorted(line for line in lines if line.startswith("rank"))
    assert [line.split(" on ")[0] for line in ranks] == [f"rank = {rank} and size = 3" for rank in range(3)]
    assert all(line.endswith(" (node-7)") for line in ranks)
    assert [lines.count(path.read_text().strip()) for path in INPUTS] == [3, 3]
    assert [lines.count(f"argv[{index}] = {path}") for index, path in enumerate([RING, *INPUTS])] == [3, 3, 3]


def test_the_ring_in_c_prints_what_the_ring_in_python_prints(mpi: Mpi, ring_in_c: Path) -> None:
    (mpi.folder / "no end").write_bytes(b"no line end")
    (mpi.folder / "empty").write_bytes(b"")
    arguments: list[str | Path] = [*INPUTS, "no end", "empty"]
    of_python, of_c = mpi.python(3, RING, *arguments), mpi.run(3, ring_in_c, *arguments)
    assert (of_c.returncode, of_c.stderr) == (0, "")
    assert sorted(of_c.stdout.splitlines()) == sorted(of_python.stdout.replace(str(RING), str(ring_in_c)).splitlines())


@pytest.mark.parametrize("rank", [0, 2])
def test_a_failing_rank_ends_the_ring_with_its_exit_code(mpi: Mpi, rank: int) -> None:
    done = mpi.python(3, RING, "--fail-rank", str(rank), "--exit-code", "7")
    assert done.returncode == 7
    assert f"process {rank} fails with exit code 7" in done.stderr.splitlines()


def test_a_failing_rank_ends_the_ring_in_c_with_its_exit_code(mpi: Mpi, ring_in_c: Path) -> None:
    assert mpi.run(3, ring_in_c, "--fail-rank", "1", "--exit-code", "7").returncode == 7


def test_a_missing_common_file_ends_the_ring_in_one_line(mpi: Mpi) -> None:
    done = mpi.python(2, RING, "gone.txt")
    assert done.returncode == 1
    assert "ring: cannot read gone.txt: No such file or directory" in done.stderr.splitlines()
    assert "Traceback" not in done.stderr


# -------------------------------------------------------------------------------------------------- the two scripts


@pytest.fixture
def batch_variables(mpi: Mpi) -> dict[str, str]:
    shared = mpi.folder / "task with blanks"
    shared.mkdir()
    for path in INPUTS:
        shutil.copy(path, shared)
    return {
        "AZ_BATCH_HOST_LIST": "localhost",
        "AZ_BATCH_NODE_ID": "node-1",
        "AZ_BATCH_TASK_SHARED_DIR": str(shared),
    }


@pytest.fixture
def hydra(mpi: Mpi) -> None:
    if "HYDRA" not in mpi.start(mpi.mpirun, "--version").stdout:
        pytest.skip("application-cmd speaks to the mpirun of MPICH or Intel MPI")


@pytest.mark.usefixtures("hydra")
@pytest.mark.parametrize("files", [[], ["numbers.txt", "numbers2.txt"]])
def test_the_application_command_runs_the_ring_among_the_common_files(
    mpi: Mpi, batch_variables: dict[str, str], files: list[str]
) -> None:
    done = mpi.start(EXAMPLES / "application-cmd", "3", *files, **batch_variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert totals(done.stdout) == ["-1", "-1", "36"]
    assert done.stdout.count(INPUTS[1].read_text()) == 3


@pytest.mark.usefixtures("hydra")
def test_the_application_commands_exit_code_is_mpiruns(mpi: Mpi, batch_variables: dict[str, str]) -> None:
    failing = ["--fail-rank", "1", "--exit-code", "9"]
    assert mpi.start(EXAMPLES / "application-cmd", "2", *failing, **batch_variables).returncode == 9


def test_the_coordination_command_shows_the_node_and_the_files_it_was_given(
    mpi: Mpi, batch_variables: dict[str, str]
) -> None:
    done = mpi.start(EXAMPLES / "coordination-cmd", **batch_variables)
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[:2]) == (0, ["Node: node-1", str(mpi.folder)])
    assert [line.split()[-1] for line in lines[-2:]] == ["numbers.txt", "numbers2.txt"]


# ------------------------------------------------------------------------------------------------------------ heat


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 6])
def test_any_number_of_ranks_computes_bit_by_bit_what_one_rank_computes(mpi: Mpi, ranks: int) -> None:
    field = mpi.heat(ranks, SMALL, "--check", "--tolerance", "0")
    assert field.shape == (37, 52)


def test_no_cell_gets_hotter_than_the_hottest_or_colder_than_the_border(mpi: Mpi) -> None:
    field = mpi.heat(4, SMALL)
    assert 5 <= field.min() < field.max() < 90
    assert all((side == 5).all() for side in (field[0], field[-1], field[:, 0], field[:, -1]))


def test_after_no_step_the_plate_is_as_the_parameters_say(mpi: Mpi) -> None:
    field = mpi.heat(3, SMALL, "--steps", "0")
    assert set(field.flat) == {5, 60.5, 90}
    assert (field[15, 20], field[15, 29], field[15, 30], field[27, 38], field[20, 38]) == (90, 90, 5, 60.5, 5)


def test_the_heat_of_the_plate_and_the_residual_only_shrink(mpi: Mpi) -> None:
    (mpi.folder / "params.json").write_text(json.dumps(SMALL))
    done = mpi.python(3, HEAT, "params.json", "--steps", "400", "--every", "20")
    words = [line.split() for line in done.stdout.splitlines() if line.startswith("step ")]
    assert [int(line[1]) for line in words] == list(range(20, 401, 20))
    for name in ("excess", "residual", "hottest"):
        values = [float(line[line.index(name) + 1]) for line in words]
        assert all(before > after > 0 for before, after in pairwise(values)), name


def test_heat_spreads_as_fast_as_the_diffusivity_says(mpi: Mpi) -> None:
    """Far from the border, the mean square distance from the centre grows by 4 D t, in cells 4 F for each step."""
    disc = {"row": 40, "column": 40, "radius": 5, "temperature": 80}
    plate: dict[str, object] = {"size": [81, 81], "cold": 0, "diffusivity": 2e-5, "spacing": 0.01, "discs": [disc]}
    row, column = numpy().ogrid[:81, :81]
    squares = (row - 40) ** 2 + (column - 40) ** 2
    start, end = 80.0 * (squares <= 5**2), mpi.heat(4, plate, "--steps", "30")
    assert end.sum() == pytest.approx(start.sum(), rel=1e-12)
    growth = (end * squares).sum() / end.sum() - (start * squares).sum() / start.sum()
    assert growth == pytest.approx(4 * 0.225 * 30, rel=1e-9)
    assert numpy().abs(end - end.T).max() == pytest.approx(0, abs=1e-12)


def test_a_difference_beyond_the_tolerance_fails_the_check(mpi: Mpi) -> None:
    done = mpi.python(2, HEAT, "--steps", "2", "--check", "--tolerance", "-1")
    assert done.returncode == 3
    assert "heat: the difference exceeds -1: the check failed" in done.stderr.splitlines()


def test_the_table_says_which_rank_on_which_node_computed_what(mpi: Mpi) -> None:
    (mpi.folder / "params.json").write_text(json.dumps(SMALL))
    done = mpi.python(3, HEAT, "params.json", "--check", AZ_BATCH_NODE_ID="node-1")
    *_, headline, _, first, second, third, difference = done.stdout.splitlines()
    assert headline == "37 x 52 cells, 90 steps, 1 x 3 blocks"
    table = [line.split() for line in (first, second, third)]
    assert [(line[0], line[2], line[3], line[4]) for line in table] == [
        ("0", "node-1", "1-35", "1-16"),
        ("1", "node-1", "1-35", "17-33"),
        ("2", "node-1", "1-35", "34-50"),
    ]
    assert difference == "largest difference to the run on one rank: 0.000e+00"


def test_the_picture_is_a_png_with_a_whole_number_of_dots_to_a_cell(mpi: Mpi) -> None:
    mpi.heat(4, SMALL)
    columns, rows, lines = decoded((mpi.folder / "heat.png").read_bytes())
    dots = -(-900 // 52)
    assert (columns, rows) == (52 * dots, 37 * dots)
    assert {line[0] for line in lines} == {0}
    assert {len(line) for line in lines} == {1 + 3 * columns}
    cold, hottest = (dot_of(lines, dots, cell) for cell in ((5, 49), (15, 20)))
    assert sum(cold) < 60
    assert sum(hottest) > 600


def test_the_picture_shows_where_the_blocks_meet(mpi: Mpi) -> None:
    pictures = []
    for ranks in (1, 2):
        mpi.heat(ranks, SMALL)
        pictures.append(decoded((mpi.folder / "heat.png").read_bytes())[2])
    changed = {
        dot // 3
        for alone, shared in zip(*pictures, strict=True)
        for dot, (left, right) in enumerate(zip(alone[1:], shared[1:], strict=True))
        if left != right
    }
    assert changed == {26 * -(-900 // 52)}


def test_parameters_may_be_toml(mpi: Mpi) -> None:
    (mpi.folder / "params.toml").write_text("size = [20, 30]\nsteps = 3\ncold = 0.5\ndiscs = []\n")
    done = mpi.python(2, HEAT, "params.toml", "--output", "new/folder")
    assert (done.returncode, done.stderr) == (0, "")
    field = numpy().load(mpi.folder / "new" / "folder" / "heat.npy")
    assert (field == 0.5).all()
    assert field.shape == (20, 30)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "params.json: No such file or directory"),
        ('{"stepps": 3}', "params.json: the parameters: unknown key 'stepps'"),
        ('{"size": [3, 3]}', "size: 3 x 3 cells are too few for 1 x 2 ranks"),
    ],
)
def test_a_bad_parameter_file_is_told_in_one_line(mpi: Mpi, text: str | None, complaint: str) -> None:
    if text is not None:
        (mpi.folder / "params.json").write_text(text)
    done = mpi.python(2, HEAT, "params.json")
    told = [line for line in done.stderr.splitlines() if line.startswith("heat:")]
    assert done.returncode == 2
    assert len(told) == 1
    assert told[0].startswith(f"heat: {complaint}")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON: "),
        ("[1]", "the parameters: expected a table of size, steps, diffusivity, spacing, cold, discs, not [1]"),
        ('{"size": 7}', "size: expected [rows, columns], not 7"),
        ('{"size": [7, true]}', "size: expected a whole number, not True"),
        ('{"spacing": NaN}', "spacing: expected a number, not nan"),
        ('{"spacing": "1"}', "spacing: expected a number, not '1'"),
        ('{"cold": 1' + "0" * 400 + "}", "cold: expected a number, not 1000"),
        ('{"discs": [{"row": 1, "column": 2}]}', "a disc has no radius and no temperature: "),
        ('{"size": [2, 30]}', "size: a plate needs at least 3 x 3 cells, not 2 x 30"),
        ('{"steps": -1}', "steps: expected 0 or more, not -1"),
        ('{"diffusivity": 0}', "diffusivity: expected more than 0, not 0.0"),
    ],
)
def test_what_the_parameters_may_not_be_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    numpy()
    plate = runpy.run_path(str(EXAMPLES / "app" / "plate.py"))
    path = tmp_path / "params.json"
    path.write_text(text)
    with pytest.raises(plate["BadParameters"]) as caught:
        plate["check_plate"](plate["read_plate"](path))
    assert str(caught.value).removeprefix(f"{path}: ").startswith(complaint)
    assert "\n" not in str(caught.value)


def test_copies_of_the_parameters_that_differ_between_nodes_are_refused(mpi: Mpi) -> None:
    for rank in range(2):
        (mpi.folder / f"{rank}.json").write_text(json.dumps({"steps": 5 + rank}))
    own_copy = 'exec "$0" -m mpi4py "$1" "${PMI_RANK:-$OMPI_COMM_WORLD_RANK}.json"'
    done = mpi.run(2, "sh", "-c", own_copy, sys.executable, HEAT)
    assert done.returncode == 2
    assert "heat: rank 1 read other parameters than rank 0: the nodes' copies differ" in done.stderr.splitlines()


def test_the_bundled_parameters_are_the_defaults(mpi: Mpi) -> None:
    by_file = mpi.python(1, HEAT, EXAMPLES / "heat" / "params.json", "--steps", "1")
    result = (mpi.folder / "heat.npy").read_bytes()
    by_default = mpi.python(1, HEAT, "--steps", "1")
    assert (by_file.returncode, by_default.returncode) == (0, 0)
    assert (mpi.folder / "heat.npy").read_bytes() == result


def decoded(image: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the lines of a PNG picture, each with its filter byte; sums are checked."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, position = {}, 8
    while position < len(image):
        (length,) = struct.unpack_from(">I", image, position)
        kind, body = image[position + 4 : position + 8], image[position + 8 : position + 8 + length]
        assert struct.unpack_from(">I", image, position + 8 + length)[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        position += 12 + length
    columns, rows, depth, colours = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    assert (depth, colours, list(chunks)) == (8, 2, [b"IHDR", b"IDAT", b"IEND"])
    dots, stride = zlib.decompress(chunks[b"IDAT"]), 1 + 3 * columns
    lines = [dots[begin : begin + stride] for begin in range(0, len(dots), stride)]
    assert len(lines) == rows
    return columns, rows, lines


def dot_of(lines: list[bytes], dots: int, cell: tuple[int, int]) -> bytes:
    """The colour in the middle of a cell."""
    row, column = (dots * index + dots // 2 for index in cell)
    return lines[row][1 + 3 * column : 4 + 3 * column]
