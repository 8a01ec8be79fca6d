"""An account of a local Batch service: the official client, and the shortest way to pools, jobs and tasks."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from azure.batch import BatchClient, models
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest, HttpResponse

from localbatch.wire.connection import Endpoints
from tests.conformity.listener import Listener
from tests.support.processes import wait_until

PATIENCE = 30.0
IMAGE = models.VirtualMachineConfiguration(
    image_reference=models.BatchVmImageReference(publisher="canonical", offer="ubuntu-24_04-lts", sku="server"),
    node_agent_sku_id="batch.node.ubuntu 24.04",
)
VERSION = "2025-06-01"


class Account:
    """One account.

    Args:
        client: the client that signs with its name.
        name: its name.
        listener: hears what the client is answered.
    """

    def __init__(self, client: BatchClient, name: str, listener: Listener) -> None:
        self.client, self.name, self.listener = client, name, listener

    def make_pool(self, pool_id: str = "pool", nodes: int = 1, **options: Any) -> None:
        """Creates a pool; its nodes come later."""
        options = {"virtual_machine_configuration": IMAGE, "target_dedicated_nodes": nodes, **options}
        self.client.create_pool(models.BatchPoolCreateOptions(id=pool_id, vm_size="Standard_D2s_v3", **options))

    def make_job(self, job_id: str = "job", pool_id: str = "pool", **options: Any) -> None:
        """Creates a job."""
        pool = models.BatchPoolInfo(pool_id=pool_id)
        self.client.create_job(models.BatchJobCreateOptions(id=job_id, pool_info=pool, **options))

    def add_task(self, command: str, task_id: str = "task", job_id: str = "job", **options: Any) -> None:
        """Adds a task that runs a line of shell."""
        task = models.BatchTaskCreateOptions(id=task_id, command_line=shell(command), **options)
        self.client.create_task(job_id, task)

    def run(self, command: str, **options: Any) -> models.BatchTask:
        """Makes a pool and a job, runs one task, and returns how it ended."""
        self.make_pool()
        self.make_job()
        self.add_task(command, **options)
        return self.await_task()

    def await_task(self, task_id: str = "task", job_id: str = "job", state: str = "completed") -> models.BatchTask:
        """Waits until a task is in a state."""
        self.wait_until(lambda: self.client.get_task(job_id, task_id).state == state)
        return self.client.get_task(job_id, task_id)

    def await_job(self, job_id: str = "job", state: str = "completed") -> models.BatchJob:
        """Waits until a job is in a state."""
        self.wait_until(lambda: self.client.get_job(job_id).state == state)
        return self.client.get_job(job_id)

    def await_nodes(self, state: str = "idle", count: int = 1, pool_id: str = "pool") -> list[models.BatchNode]:
        """Waits until a pool is steady and has so many nodes, all in one state."""

        def ready() -> bool:
            pool, nodes = self.client.get_pool(pool_id), list(self.client.list_nodes(pool_id))
            return pool.allocation_state == "steady" and [node.state for node in nodes] == [state] * count

        self.wait_until(ready)
        return list(self.client.list_nodes(pool_id))

    def await_gone(self, get: Callable[[], object]) -> None:
        """Waits until what a call returns is gone."""

        def gone() -> bool:
            try:
                get()
            except HttpResponseError as error:
                return error.status_code == 404
            return False

        self.wait_until(gone)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits until something holds."""
        wait_until(condition, PATIENCE)

    def stdout(self, task_id: str = "task", job_id: str = "job") -> str:
        """Returns what a task wrote to its standard output."""
        return self.read("stdout.txt", task_id, job_id).decode()

    def read(self, name: str, task_id: str = "task", job_id: str = "job") -> bytes:
        """Returns a file of a task."""
        return b"".join(self.client.download_task_file(job_id, task_id, name))

    def clear(self) -> None:
        """Deletes its job schedules, jobs and pools."""
        for schedule in self.client.list_job_schedules():
            self.send("DELETE", f"/jobschedules/{schedule.id}")
        for job in self.client.list_jobs():
            self.send("DELETE", f"/jobs/{job.id}")
        for pool in self.client.list_pools():
            self.send("DELETE", f"/pools/{pool.id}")

    def send(self, method: str, path: str, *, version: str = VERSION, **options: Any) -> HttpResponse:
        """Sends a signed request of one's own making.

        Args:
            method: the HTTP verb.
            path: path and query, without the version.
            version: the API version to ask for.
            options: as ``HttpRequest`` takes them.
        """
        separator = "&" if "?" in path else "?"
        request = HttpRequest(method, f"{path}{separator}api-version={version}", **options)
        try:
            response = self.client.send_request(request)
        except HttpResponseError as error:
            if error.response is None:
                raise  # an answer that broke off
            response = cast(HttpResponse, error.response)
        response.read()
        return response


@contextmanager
def open_account(service: Endpoints, name: str | None = None, *, keep: bool = False) -> Iterator[Account]:
    """Opens an account, under a new name if none is given; deletes its jobs and pools unless told to keep them.

    Raises:
        AssertionError: at the end, if the service gave an answer in a form that Azure's answers do not have.
    """
    chosen = name or f"test{uuid.uuid4().hex[:16]}"
    credential = AzureNamedKeyCredential(chosen, service.batch_key)
    listener = Listener()
    with BatchClient(service.batch_endpoint, credential, retry_total=0, per_retry_policies=[listener]) as client:
        account = Account(client, chosen, listener)
        yield account
        if not keep:
            account.clear()
    if listener.violations:
        raise AssertionError("\n".join(listener.violations))


def shell(command: str) -> str:
    """Makes a command line that runs a line of shell without single quotes."""
    return f"/bin/sh -c '{command}'"


def error_code(error: HttpResponseError) -> str:
    """Returns the service's code of an error."""
    return str(getattr(error.error, "code", ""))


def error_values(error: HttpResponseError) -> dict[str, str]:
    """Returns the named values of an error."""
    details = getattr(error.error, "details", [])
    return {str(item.code): str(item.message) for item in details}
