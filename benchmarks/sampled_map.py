"""``python -m flows.map_flow`` with a look, again and again, at what its threads spend processor time on.

    python -m benchmarks.sampled_map FILE [ARGUMENT...]

The file takes seconds of processor time as JSON. A look gives what a thread has used since the last one to what it is
doing: to importing; to Prefect, if of its frames the innermost one that belongs to somebody is of Prefect; to the run.
"""

import json
import os
import sys
import threading
from collections import defaultdict
from pathlib import Path
from types import FrameType

from prefect_azure_batch.flows.commands import run_map_flow

_INTERVAL = 0.01
_OF_PREFECT = f"{os.sep}site-packages{os.sep}prefect{os.sep}"
_OF_RUN = ("prefect_azure_batch", f"{os.sep}azure{os.sep}", f"{os.sep}flows{os.sep}", f"{os.sep}tasks{os.sep}")


def owner(frame: FrameType | None) -> str:
    """Who a thread works for."""
    found = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return "import"
        if not found and _OF_PREFECT in name:
            found = "Prefect"
        elif not found and any(part in name for part in _OF_RUN):
            found = "run"
        frame = frame.f_back
    return found or "run"


class Sampler:
    """Looks at all threads of this process until it is ended.

    Attributes:
        seconds: of processor time by owner.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._used = dict[int, float]()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Looks no more."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(_INTERVAL):
            frames = sys._current_frames()
            for thread in threading.enumerate():
                if thread is self._thread or thread.ident is None or thread.native_id is None:
                    continue
                used = _used_by(thread.native_id)
                more = used - self._used.get(thread.native_id, 0.0)
                if more > 0:
                    self.seconds[owner(frames.get(thread.ident))] += more
                self._used[thread.native_id] = used


def _used_by(thread: int) -> float:
    """Processor seconds of a thread so far; 0 if it is gone. Source: proc(5), of schedstat."""
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[0]) / 1e9
    except OSError:
        return 0.0


if __name__ == "__main__":
    file = Path(sys.argv.pop(1))
    sampler = Sampler()
    status = run_map_flow()
    sampler.end()
    file.write_text(json.dumps(sampler.seconds))
    sys.exit(status)
