"""What is done to the results of a map's tasks by one further task of the same run."""

from collections.abc import Mapping
from dataclasses import replace

from prefect.futures import PrefectFuture

from prefect_azure_batch.blocks.azure_batch import AzureBatchAccount
from prefect_azure_batch.flows.map_parameters import MapParameters
from prefect_azure_batch.tasks.earlier import FoundRun, find_done
from prefect_azure_batch.tasks.errors import BadInput
from prefect_azure_batch.tasks.manifest import DONE, OURS, Manifest
from prefect_azure_batch.tasks.names import REDUCE_LABEL
from prefect_azure_batch.tasks.records import AddedTask, Program, Run, TaskPlan
from prefect_azure_batch.tasks.reduce import MOST_MAPS, Maps, reduce_task_id
from prefect_azure_batch.tasks.submit import work_of


class Reduction:
    """The reduce of a map.

    Attributes:
        plan: of its task.
        index: of its result, after those of the map.
        manifest: with its task alone; empty as long as its id is not known.
        maps: what it takes, once its id is known.
        added: the future of adding its task, once that has begun.
    """

    def __init__(
        self,
        asked: MapParameters,
        program: Program | None,
        tasks: TaskPlan,
        maps: Manifest,
        earlier: tuple[FoundRun, ...],
    ) -> None:
        """Takes what the map's tasks are."""
        self.plan = replace(
            tasks, command=asked.reduce or "", outputs=tuple(asked.reduce_outputs), parameters=(), grouped=True
        )
        self.index = maps.count()
        self.added: PrefectFuture[AddedTask] | None = None
        self.manifest, self.maps = Manifest.of_tasks([]), Maps((), (), keep_files=bool(asked.outputs))
        self._work, self._program, self._of_maps = work_of(program, tasks), program, maps
        self._runs = {found.number: found.run for found in earlier}

    @property
    def is_done(self) -> bool:
        """Whether an earlier run has done it to the same results."""
        return self.manifest.count(DONE) > 0

    def check(self) -> None:
        """Refuses what cannot be, before anything is made.

        Raises:
            BadInput: there are too many tasks.
        """
        if self.index > MOST_MAPS:
            raise BadInput(f"--reduce: one task takes what {MOST_MAPS} others leave at most, not {self.index}.")

    def look_for_earlier(self, account: AzureBatchAccount) -> None:
        """Finds out whether it is done, which it can be only if all of the map is being done, or is done, elsewhere."""
        if not self._of_maps.count(OURS):
            self._begin(self._runs)
            find_done(account, self._work, self.manifest, self.plan.succeed_on)

    def begin(self, run: Run) -> None:
        """Finds out what it takes, now that it is known where all of that will lie."""
        if not self.manifest.count():
            self._begin({**self._runs, OURS: run})

    def _begin(self, runs: Mapping[int, Run]) -> None:
        found = [each for some in self._of_maps.places(runs) for each in some]
        places, ids = tuple(place for place, _ in found), tuple(task_id for _, task_id in found if task_id)
        self.maps = replace(self.maps, places=places, task_ids=ids)
        task_id = reduce_task_id(self._program, self.plan, self.maps)
        self.manifest = Manifest.of_tasks([(task_id, REDUCE_LABEL)], first=self.index)
