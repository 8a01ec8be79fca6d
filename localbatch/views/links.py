"""Where resources and their files are found: links of the service, and directories on a node."""

from urllib.parse import quote


def pool_url(base: str, pool_id: str) -> str:
    """Makes the link to a pool."""
    return f"{base}/pools/{pool_id}"


def node_url(base: str, pool_id: str, node_id: str) -> str:
    """Makes the link to a node."""
    return f"{base}/pools/{pool_id}/nodes/{node_id}"


def job_schedule_url(base: str, schedule_id: str) -> str:
    """Makes the link to a job schedule."""
    return f"{base}/jobschedules/{schedule_id}"


def job_url(base: str, job_id: str) -> str:
    """Makes the link to a job."""
    return f"{base}/jobs/{job_id}"


def task_url(base: str, job_id: str, task_id: str) -> str:
    """Makes the link to a task."""
    return f"{base}/jobs/{job_id}/tasks/{task_id}"


def file_url(owner: str, name: str) -> str:
    """Makes the link to a file of a node or a task, whose own link is given."""
    return f"{owner}/files/{quote(name, errors='surrogateescape')}"


def job_directory(job_id: str) -> str:
    """Tells where on a node all that belongs to a job lies; a job schedule's jobs lie side by side."""
    return f"workitems/{job_id.replace(':', '/')}"


def task_directory(job_id: str, task_id: str) -> str:
    """Tells where on a node a task has its directory."""
    return f"{job_directory(job_id)}/{task_id}" if ":" in job_id else f"{job_directory(job_id)}/job-1/{task_id}"


def affinity_id(node_id: str) -> str:
    """Makes the name by which a task asks for a node."""
    return f"TVM:{node_id}"


def subtask_directory(job_id: str, task_id: str, number: int) -> str:
    """Tells where on its node a subtask has its directory."""
    return f"{task_directory(job_id, task_id)}/{number}"
