"""The options of the flows in the groups in which ``--help`` shows them, each in the order of its use."""

GROUPS: dict[str, tuple[str, ...]] = {
    "What there is a task for": (*("inputs", "sweep", "sweep_zip", "table", "chunk", "group_by", "part", "resume"),),
    "What runs": (
        *("command", "application_command", "coordination_command", "mpi", "ranks_per_node", "instances", "fabric"),
        *("app", "common", "env", "secret", "setup", "teardown", "teardown_minutes", "elevated", "reduce"),
    ),
    "What is kept": ("outputs", "reduce_outputs", "results", "keep", "work_container"),
    "Where it runs": (
        *("account", "nodes", "spot", "slots", "vm_size", "required_slots", "pool", "new_pool", "pool_block"),
        *("priority", "retention"),
    ),
    "What a failure is": ("retries", "retry_on", "succeed_on", "stop_on"),
    "How long, and for how much": ("task_minutes", "hours", "lease_minutes", "budget", "region"),
    "How it is shown": ("plan", "follow", "group_size"),
}
"""Names of parameters by the title of their group; a flow shows those that it has."""

FIRST = ("inputs", "command", "app", "outputs", "account", "nodes", "plan")
"""What most runs are asked for: a form shows it before all groups."""
