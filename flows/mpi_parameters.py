"""What an MPI run can be asked for."""

from typing import ClassVar, Self

from pydantic import ConfigDict, Field, model_validator

from prefect_azure_batch.blocks.pool_description import PoolDescription
from prefect_azure_batch.flows.parameters import InputName, RunParameters, complaining, name_of_run
from prefect_azure_batch.tasks.command import parse_template
from prefect_azure_batch.tasks.launcher import DEFAULT_MPI, MPI_VARIABLES, Fabric, Launch, Mpi

_MOST_NODES = 100  # of a pool with inter-node communication; source: "Batch service quotas and limits", Microsoft Learn

EXAMPLE_COMMAND = "python3 -m mpi4py {app}/ring.py numbers.txt numbers2.txt"


class MpiParameters(RunParameters):
    """One MPI program over several nodes of Azure Batch at once: a single multi-instance task."""

    model_config = ConfigDict(title="MPI run")

    inputs: list[InputName] = Field(
        default_factory=list,
        title="Common files",
        description=(
            "Files that every node gets, in the ranks' working directory: local files, globs or directories, blobs as "
            "az://container/prefix, or links."
        ),
    )
    command: str = Field(
        default="",
        title="Command",
        description=(
            "The MPI program and its arguments, for which the launcher line is made. Not given: the bundled example. "
            "Placeholders in all commands: {app}, {shared}; write {{ and }} for braces."
        ),
    )
    nodes: int | None = Field(
        default=None,
        ge=0,
        le=_MOST_NODES,
        title="Nodes",
        description=(
            "Number of dedicated VMs in the pool that is made for the run, or of those of an existing pool that take "
            "part. Not given: 3, or none beside spot nodes."
        ),
    )
    slots: int | None = Field(
        default=None, ge=1, title="Slots", description="Task slots of a node: 1, as Batch asks for MPI."
    )
    application_command: str = Field(
        default="",
        title="Application command",
        description="Instead of a command: the whole line that runs on the first node, launcher included.",
    )
    coordination_command: str = Field(
        default="true",
        min_length=1,
        title="Coordination command",
        description="What runs on every node before the program.",
    )
    mpi: Mpi = Field(
        default=DEFAULT_MPI, title="MPI", description="The MPI on the nodes: mpich, mvapich, openmpi, intel."
    )
    ranks_per_node: int = Field(default=1, ge=1, title="Ranks per node", description="Ranks that run on each node.")
    instances: int | None = Field(
        default=None, ge=1, title="Instances", description="Nodes that the program runs on. Not given: all."
    )
    resume: bool = Field(
        default=False,
        title="Resume",
        description=(
            "A program that has succeeded with the same files is not run again; its results are restored. Not given: "
            "it is run again."
        ),
    )
    fabric: Fabric = Field(
        default="tcp", title="Fabric", description="The network between the nodes: tcp or infiniband."
    )

    default_nodes: ClassVar[int] = 3

    def check_pool_fits(self, description: PoolDescription) -> None:
        """Refuses a pool that no MPI task runs on.

        Raises:
            ValueError: says why.
        """
        if description.slots > 1:
            key = "--slots" if self.slots else "slots"
            raise ValueError(f"{key}: an MPI task needs nodes of 1 slot, not {description.slots}: leave it out")
        if description.container:
            raise ValueError("container: MPI programs run on the nodes themselves here: leave it out")
        if description.existing is None and description.size > _MOST_NODES:
            key = "--nodes" if self.nodes else "nodes"
            raise ValueError(f"{key}: a pool for MPI has {_MOST_NODES} nodes at most, not {description.size}")
        if description.existing is None and self.instances and self.instances > description.size:
            raise ValueError(f"--instances: {self.instances} are more than the {description.size} nodes of --nodes")

    @model_validator(mode="after")
    def _commands_can_run(self) -> Self:
        if self.command and self.application_command:
            raise ValueError("--command and --application-command exclude each other: give one of them")
        if (self.inputs or self.app or self.setup) and self.is_example:
            raise ValueError("--command is missing: say what runs on the nodes, or leave all out for the example")
        for option, text, variables in (
            ("command", self.command, MPI_VARIABLES),
            ("application-command", self.application_command, MPI_VARIABLES),
            ("coordination-command", self.coordination_command, MPI_VARIABLES),
            ("setup", self.setup, {}),
            ("teardown", self.teardown or "", {}),
        ):
            if text:
                with complaining(option):
                    parse_template(text, variables, has_program=self.app is not None or self.is_example)
        if self.command and not parse_template(self.command, MPI_VARIABLES).is_one_command:
            raise ValueError(
                "--command: mpirun starts one program with its arguments; put more into a script, or give the whole "
                "line with --application-command"
            )
        return self

    @property
    def run_name(self) -> str:
        """What the flow run is called in Prefect."""
        return name_of_run("plan of MPI" if self.plan else "MPI", self.command or self.application_command)

    @property
    def is_example(self) -> bool:
        """Whether nothing was said of what to run."""
        return not self.command and not self.application_command

    @property
    def label(self) -> str:
        """What runs, as it was written."""
        return self.application_command or self.command or EXAMPLE_COMMAND

    @property
    def task_instances(self) -> int:
        """Nodes that the program runs on."""
        return self.instances or self.pool_nodes

    @property
    def pool_nodes(self) -> int:
        """Nodes of the pool, as far as they are the run's."""
        description = self.pool_description
        return (description.nodes or self.default_nodes) if description.existing else description.size

    @property
    def launch(self) -> Launch:
        """How the ranks of the program are started."""
        return Launch(
            self.mpi, self.task_instances, self.ranks_per_node, self.fabric, passed=tuple(sorted(self.secret))
        )
