"""Nodes as the wire shows them: pure functions, as those of ``views``."""

from collections.abc import Iterable, Mapping

from localbatch.rules.images import exact_version
from localbatch.store.jobs import JobRecord
from localbatch.store.nodes import NodeRecord
from localbatch.store.pools import PoolRecord
from localbatch.store.tasks import TaskRecord
from localbatch.views.links import affinity_id, node_url, task_url
from localbatch.views.tasks import execution_view
from localbatch.wire.confidential import without_secrets
from localbatch.wire.formats import JsonObject, JsonValue, format_time

_NODE_COUNTERS = {
    name.lower(): name
    for name in (
        *("creating", "idle", "offline", "preempted", "rebooting", "reimaging", "running", "starting"),
        *("startTaskFailed", "leavingPool", "unknown", "unusable", "waitingForStartTask"),
        *("deallocated", "deallocating", "upgradingOS"),
    )
}
# As the official example of a node's extension shows it.
_AGENT_EXTENSION: JsonObject = {
    "name": "batchNodeExtension",
    "publisher": "Microsoft.Azure.Extensions",
    "type": "CustomScript",
    "typeHandlerVersion": "2.0",
    "autoUpgradeMinorVersion": True,
}
_AGENT_VERSION = "1.13.0.0"
_SSH_PORT = 22
# Where Batch has the ports by which ssh reaches nodes of a pool that says nothing of ports.
_FIRST_LOGIN_PORT, _LOGIN_PORTS = 50000, 5001


def node_counts_view(pool: PoolRecord, nodes: Mapping[tuple[bool, str], int]) -> JsonObject:
    """Shows how many nodes of a pool are in each state."""
    return {"poolId": pool.id, "dedicated": _counters(nodes, True), "lowPriority": _counters(nodes, False)}


def _counters(nodes: Mapping[tuple[bool, str], int], dedicated: bool) -> JsonObject:
    counters: dict[str, int] = {name: nodes.get((dedicated, state), 0) for state, name in _NODE_COUNTERS.items()}
    return {**counters, "total": sum(counters.values())}


def node_view(
    base: str, pool: PoolRecord, node: NodeRecord, address: str, running: tuple[int, int], recent: Iterable[JsonObject]
) -> JsonObject:
    """Shows a node.

    Args:
        base: the service's address.
        pool: the pool it belongs to.
        node: the node.
        address: its IP address.
        running: how many tasks it runs, and how many slots they take.
        recent: the tasks it ran last, as ``recent_task_view`` shows them.
    """
    view: JsonObject = {
        "id": node.id,
        "url": node_url(base, pool.id, node.id),
        "state": node.state,
        "stateTransitionTime": format_time(node.state_changed),
        "schedulingState": node.scheduling,
        "allocationTime": format_time(node.allocated),
        "ipAddress": address,
        "affinityId": affinity_id(node.id),
        "vmSize": pool.body["vmSize"],
        "totalTasksRun": node.tasks_run,
        "totalTasksSucceeded": node.tasks_succeeded,
        "runningTasksCount": running[0],
        "runningTaskSlotsCount": running[1],
        "isDedicated": node.dedicated,
        "virtualMachineInfo": {"imageReference": _image(pool)},
    }
    if node.booted is not None:
        view["lastBootTime"] = format_time(node.booted)
        view["nodeAgentInfo"] = {"version": _AGENT_VERSION, "lastUpdateTime": format_time(node.booted)}
    if has_ipv6(pool):
        view["ipv6Address"] = ipv6_address(address)
    endpoints = list[JsonValue](inbound_endpoints(pool, node, address))
    known: JsonObject = {
        "startTask": without_secrets(node.start_task) if node.start_task else None,
        "startTaskInfo": node.start_info,
        "errors": list[JsonValue](node.errors),
        "recentTasks": list[JsonValue](recent),
        "endpointConfiguration": {"inboundEndpoints": endpoints} if endpoints else None,
    }
    return view | {name: value for name, value in known.items() if value}


def _image(pool: PoolRecord) -> JsonObject:
    image = _part(pool.body, "virtualMachineConfiguration", "imageReference")
    return {**image, "exactVersion": exact_version(image)} if "version" in image else image


def inbound_endpoints(pool: PoolRecord, node: NodeRecord, address: str) -> list[JsonObject]:
    """Shows the ports outside by which the ports of a node are reached, once for each family of addresses it has."""
    configuration = _part(pool.body, "networkConfiguration", "endpointConfiguration")
    return [
        {
            "name": f"{nat['name']}.{_number(node)}",
            "protocol": nat["protocol"],
            "publicIPAddress": each,
            "publicFQDN": address,
            "frontendPort": _frontend_port(nat, node),
            "backendPort": nat["backendPort"],
        }
        for each in (address, ipv6_address(address))[: 1 + has_ipv6(pool)]
        for nat in _objects(configuration, "inboundNATPools")
    ]


def has_ipv6(pool: PoolRecord) -> bool:
    """Tells whether the nodes of a pool have addresses of IPv6 too."""
    families = _part(pool.body, "networkConfiguration", "publicIPAddressConfiguration").get("ipFamilies")
    return isinstance(families, list) and "ipv6" in [str(family).lower() for family in families]


def ipv6_address(address: str) -> str:
    """Returns the address of IPv6 by which a node is reached that has this one of IPv4."""
    return f"::ffff:{address}"


def _frontend_port(nat: JsonObject, node: NodeRecord) -> int:
    first, last = nat["frontendPortRangeStart"], nat["frontendPortRangeEnd"]
    assert isinstance(first, int)
    assert isinstance(last, int)
    return first + _number(node) % (last - first + 1)


def _number(node: NodeRecord) -> int:
    """Returns the number of a node in its pool, which its host name ends with."""
    return int(node.hostname[-6:])


def login_view(pool: PoolRecord, node: NodeRecord, address: str) -> JsonObject:
    """Shows where ssh would reach a node."""
    port: JsonValue = _FIRST_LOGIN_PORT + _number(node) % _LOGIN_PORTS
    for endpoint in inbound_endpoints(pool, node, address):
        if endpoint["backendPort"] == _SSH_PORT:
            port = endpoint["frontendPort"]
    settings: JsonObject = {"remoteLoginIPAddress": address, "remoteLoginPort": port}
    if has_ipv6(pool):
        settings |= {"ipv6RemoteLoginIPAddress": ipv6_address(address), "ipv6RemoteLoginPort": port}
    return settings


def extension_views(pool: PoolRecord) -> dict[str, JsonObject]:
    """Shows the extensions of a pool's nodes by their names: the agent's own, and those that the pool asks for."""
    machine = _part(pool.body, "virtualMachineConfiguration")
    extensions = [_AGENT_EXTENSION, *_objects(machine, "extensions")]
    return {str(extension["name"]): _extension_view(extension) for extension in extensions}


def _extension_view(extension: JsonObject) -> JsonObject:
    status: JsonObject = {
        "code": "ProvisioningState/succeeded",
        "level": "Info",
        "displayStatus": "Provisioning succeeded",
        "message": "The local Batch service shows extensions and installs none of them.",
    }
    return {
        "provisioningState": "Succeeded",
        "vmExtension": extension,
        "instanceView": {"name": extension["name"], "statuses": [status]},
    }


def recent_task_view(base: str, job: JobRecord, task: TaskRecord, subtask: int | None) -> JsonObject:
    """Shows a task among those a node ran last, with the number of the subtask if it is a multi-instance task."""
    return {
        "taskUrl": task_url(base, job.id, task.id),
        "jobId": job.id,
        "taskId": task.id,
        **({} if subtask is None else {"subtaskId": subtask}),
        "taskState": task.state,
        "executionInfo": execution_view(task),
    }


def _part(document: JsonObject, *names: str) -> JsonObject:
    """Returns an object within a document, an empty one if there is none."""
    for name in names:
        found = document.get(name)
        document = found if isinstance(found, dict) else {}
    return document


def _objects(document: JsonObject, name: str) -> list[JsonObject]:
    found = document.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
