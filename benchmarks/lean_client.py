"""A client of Batch that costs next to nothing, so that what is measured is the service: http.client, kept alive."""

import http.client
import json
import time
from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from localbatch.wire.connection import Endpoints
from localbatch.wire.signature import sign, string_to_sign

_VERSION = "2025-06-01"
_POLL_SECONDS = 0.05


class LeanClient:
    """One connection to a Batch service; requests go one after the other.

    Args:
        endpoints: of the service.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._account, self._key = endpoints.batch_account, b64decode(endpoints.batch_key)
        self._connection = http.client.HTTPConnection(urlsplit(endpoints.batch_endpoint).netloc, timeout=600)

    def call(self, verb: str, path: str, document: object = None, query: str = "") -> dict[str, object]:
        """Sends one request and returns the document of its answer.

        Raises:
            RuntimeError: it was refused.
        """
        body = b"" if document is None else json.dumps(document).encode()
        query = f"api-version={_VERSION}&{query}".rstrip("&")
        headers = {"ocp-date": format_datetime(datetime.now(UTC), usegmt=True)}
        if verb != "GET":
            headers["Content-Length"] = str(len(body))
        if body:
            headers["Content-Type"] = "application/json; odata=minimalmetadata"
        text = string_to_sign(verb, path, query, headers, self._account)
        headers["Authorization"] = f"SharedKey {self._account}:{sign(text, self._key)}"
        self._connection.request(verb, f"{path}?{query}", body or None, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RuntimeError(f"{verb} {path}: {answer.status} {said.decode()}")
        found: dict[str, object] = json.loads(said) if said else {}
        return found

    def add_pool(self, name: str, nodes: int, slots: int) -> None:
        """Makes a pool of Linux nodes."""
        image = {"publisher": "canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts"}
        machine = {"imageReference": image, "nodeAgentSKUId": "batch.node.ubuntu 22.04"}
        pool = {"id": name, "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": machine}
        self.call("POST", "/pools", pool | {"targetDedicatedNodes": nodes, "taskSlotsPerNode": slots})

    def add_job(self, name: str, pool: str) -> None:
        """Makes a job."""
        self.call("POST", "/jobs", {"id": name, "poolInfo": {"poolId": pool}})

    def add_tasks(self, job: str, tasks: Sequence[dict[str, object]]) -> None:
        """Adds at most a hundred tasks.

        Raises:
            RuntimeError: one of them was not added.
        """
        results = self.call("POST", f"/jobs/{job}/addtaskcollection", {"value": tasks})["value"]
        assert isinstance(results, list)
        if refused := [each for each in results if each["status"].lower() != "success"]:
            raise RuntimeError(str(refused[0]))

    def count_completed(self, job: str) -> tuple[int, int]:
        """How many tasks of a job have ended, and how many of them failed."""
        counts = self.call("GET", f"/jobs/{job}/taskcounts")["taskCounts"]
        assert isinstance(counts, dict)
        return int(counts["completed"]), int(counts["failed"])

    def list_tasks(self, job: str, options: str = "") -> int:
        """Reads all pages of a job's tasks; returns how many tasks they hold.

        Args:
            job: the job.
            options: of the query, encoded.
        """
        found, query = 0, options
        while True:
            page = self.call("GET", f"/jobs/{job}/tasks", query=query)
            tasks, following = page["value"], page.get("odata.nextLink")
            assert isinstance(tasks, list)
            found += len(tasks)
            if following is None:
                return found
            parts = urlsplit(str(following)).query.split("&")
            query = "&".join(each for each in parts if not each.startswith("api-version="))

    def delete_job(self, job: str) -> None:
        """Deletes a job and waits until it is gone."""
        self.call("DELETE", f"/jobs/{job}")
        while any(each["id"] == job for each in self.list_jobs()):
            time.sleep(_POLL_SECONDS)

    def list_jobs(self) -> list[dict[str, object]]:
        """Returns all jobs, which are not many."""
        jobs = self.call("GET", "/jobs")["value"]
        assert isinstance(jobs, list)
        return jobs
