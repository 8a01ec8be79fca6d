"""Reports of runs that never were: for looking at pages of any size.

python -m tests.support.drawn_reports DIRECTORY      pages, timelines, and pictures of them; those of docs/report.md
                                                     with docs/pictures as the directory and --only
"""

import argparse
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from prefect_azure_batch.flows.report_page import page_lines
from prefect_azure_batch.flows.report_pictures import timeline_image
from prefect_azure_batch.flows.results import MapResult, MpiResult, ResultCounts, RunResult, SubtaskResult, TaskResult
from prefect_azure_batch.flows.run_times import RunTimes, times_of
from prefect_azure_batch.tasks.cost import Bill
from prefect_azure_batch.tasks.node_lives import Absence, NodeLife
from tests.support.browser import open_browser

BEGIN = datetime(2026, 1, 31, 9, 0, tzinfo=UTC)
PHONE, DESK = 390, 1100
IN_DOCS = {"200-tasks": DESK, "10000-tasks": PHONE, "mpi": DESK}
"""Pages of which the docs have a picture, and how wide it is."""

_ERRORS = (
    (137, "exit code 137 (killed by SIGKILL); stderr ends: Killed"),
    (3, "exit code 3; stderr ends: reading sample 17\nValueError: channel 4 has 1023 points, not 1024"),
    (127, "exit code 127; stderr ends: /bin/bash: line 1: solver: command not found"),
)


def at(seconds: float) -> datetime:
    """A moment of the run."""
    return BEGIN + timedelta(seconds=seconds)


def made_up_map(tasks: int, nodes: int, places: int, seconds: float, seed: int = 1) -> tuple[MapResult, RunTimes]:
    """A map whose nodes come one after the other, one spot node being taken away for a while.

    Args:
        tasks: how many it has.
        nodes: how many it has.
        places: tasks that a node runs at a time.
        seconds: that a usual task runs.
        seed: of chance.
    """
    chance = random.Random(seed)
    ready = [120 + 40 * chance.random() + 3 * number for number in range(nodes)]
    free = [(moment, number) for number, moment in enumerate(ready) for _ in range(places)]
    # The second node is taken away once it has worked for a while.
    lost = (ready[1] + 3 * seconds, ready[1] + 6 * seconds) if nodes > 2 else None
    found = []
    for number in range(tasks):
        free.sort()
        begin, node = free.pop(0)
        took = seconds * chance.lognormvariate(0, 0.35)
        requeues = 0
        if lost and node == 1 and begin < lost[1] and begin + took > lost[0]:
            begin, requeues = lost[1], 1
        free.append((begin + took, node))
        found.append(_task(number, f"tvmps_{node:04x}_{'p' if node == 1 else 'd'}", begin, took, requeues, chance))
    end = max(moment for moment, _ in free) + 15
    lives = [
        NodeLife(
            f"tvmps_{number:04x}_{'p' if number == 1 else 'd'}",
            is_dedicated=number != 1,
            state="idle",
            seen=at(end),
            allocated=at(moment - 80),
            asked=at(0),
            ready=at(moment),
            start_task=(at(moment - 35), at(moment)),
            absences=(Absence(at(lost[0]), at(lost[1])),) if lost and number == 1 else (),
        )
        for number, moment in enumerate(ready)
    ]
    states = [task.state for task in found]
    counts = ResultCounts(succeeded=states.count("succeeded"), failed=states.count("failed"))
    result = MapResult(
        run_id="map-made-up",
        job_id="map-made-up",
        pool_id="map-made-up",
        results="/results",
        counts=counts,
        tasks=found,
        cost=_bill(lives, sum(task.run_seconds or 0 for task in found) / places),
    )
    return result, times_of(result, lives, places)


def _task(number: int, node: str, begin: float, took: float, requeues: int, chance: random.Random) -> TaskResult:
    code, error = chance.choice(_ERRORS) if number and chance.random() < 0.02 else (0, None)
    folder = f"/results/{number:07d}"
    return TaskResult(
        input=f"samples/run-7/plate-{number // 96:03d}/well-{number % 96:02d}.csv",
        task_id=f"t{number}",
        state="failed" if error else "succeeded",
        exit_code=code,
        node_id=node,
        queued=at(20 + number * 0.01),
        started=at(begin),
        ended=at(begin + took),
        requeues=requeues,
        retries=1 if error and code == 3 else 0,
        stdout=f"{folder}/stdout.txt",
        stderr=f"{folder}/stderr.txt",
        outputs=[] if error else [f"{folder}/peaks.csv"],
        error=error,
    )


def made_up_mpi(nodes: int = 6) -> tuple[MpiResult, RunTimes]:
    """An MPI run in which the nodes are prepared for a while before its ranks start."""
    ids = [f"tvmps_{number:04x}_d" for number in range(nodes)]
    lives = [
        NodeLife(name, True, "idle", at(700), at(60 + 5 * number), asked=at(0), ready=at(150 + 9 * number))
        for number, name in enumerate(ids)
    ]
    error = "exit code 139 (killed by SIGSEGV); stderr ends: rank 3: segmentation fault in exchange_halo"
    task = TaskResult(
        input="{app}/heat --steps 20000",
        task_id="mpi",
        state="failed",
        exit_code=139,
        node_id=ids[0],
        queued=at(30),
        started=at(205),
        ended=at(660),
        stdout="/results/mpi/stdout.txt",
        error=error,
    )
    subtasks = [
        SubtaskResult(
            id=number, node_id=name, state="completed", exit_code=0, started=at(205 + number), ended=at(661),
            outputs=[f"/results/mpi/subtask-{number}/field.dat"],
        )
        for number, name in enumerate(ids[1:], start=1)
    ]  # fmt: skip
    result = MpiResult(
        run_id="mpi-made-up",
        job_id="mpi-made-up",
        pool_id="mpi-made-up",
        results="/results",
        counts=ResultCounts(failed=1),
        tasks=[task],
        exit_code=139,
        application_began=at(260),
        subtasks=subtasks,
        cost=_bill(lives, 455 * nodes),
    )
    return result, times_of(result, lives)


def _bill(lives: list[NodeLife], task_seconds: float) -> Bill:
    hours = sum((life.seen - life.allocated).total_seconds() for life in lives) / 3600
    return Bill(
        node_hours=hours,
        task_node_hours=task_seconds / 3600,
        idle_share=1 - task_seconds / 3600 / hours,
        vm_size="standard_d4s_v5",
        region="westeurope",
        price=hours * 0.23,
        priced_on=date(2026, 1, 31),
    )


def made_up() -> Iterator[tuple[str, str, RunResult, RunTimes]]:
    """Names, titles, results and times of runs of several sizes."""
    for tasks, nodes, places, seconds in ((4, 2, 1, 20.0), (200, 8, 2, 30.0), (10_000, 50, 4, 25.0)):
        yield f"{tasks}-tasks", f"Map of {tasks:,} inputs", *made_up_map(tasks, nodes, places, seconds)
    yield "mpi", "MPI on 6 nodes: {app}/heat --steps 20000", *made_up_mpi()


def main() -> None:
    """Draws them."""
    parser = argparse.ArgumentParser(description="Draws reports of runs that never were.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--only", action="store_true", help="only the pictures that docs/report.md shows")
    asked = parser.parse_args()
    asked.directory.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser:
        for name, title, result, times in made_up():
            text = "\n".join(page_lines(result, times, title))
            if not asked.only:
                (asked.directory / f"{name}.html").write_text(text, encoding="utf-8")
                (asked.directory / f"{name}.svg").write_text(timeline_image(times), encoding="utf-8")
            for width in (DESK, PHONE):
                if asked.only and IN_DOCS.get(name) != width:
                    continue
                page = browser.new_page(viewport={"width": width, "height": 900 if width == DESK else 844})
                page.set_content(text)
                path = asked.directory / (f"report-{name}.png" if asked.only else f"{name}-{width}.png")
                page.screenshot(path=path, full_page=not asked.only and len(result.tasks) < 100)
                page.close()


if __name__ == "__main__":
    main()
