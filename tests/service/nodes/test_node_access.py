"""User accounts of nodes, and how nodes would be reached from outside."""

import ipaddress
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from azure.batch import models
from azure.core.exceptions import HttpResponseError

from localbatch.server import STATE_FILE
from localbatch.wire.connection import Endpoints
from tests.support.account import Account, error_code, error_values

BOTH = ("IPv4", "IPv6")
USER = models.BatchNodeUserCreateOptions(
    name="Anna", is_admin=True, password="Secret-Password", ssh_public_key="c3NoLXJzYSBrZXk="
)


def ready_node(batch: Account, **options: Any) -> str:
    batch.make_pool(**options)
    (node,) = batch.await_nodes()
    return str(node.id)


def network(*pools: models.BatchInboundNatPool) -> models.NetworkConfiguration:
    return models.NetworkConfiguration(
        endpoint_configuration=models.BatchPoolEndpointConfiguration(inbound_nat_pools=list(pools))
    )


def nat_pool(name: str = "ssh", port: int = 22, first: int = 2000, last: int = 2099) -> models.BatchInboundNatPool:
    return models.BatchInboundNatPool(
        name=name, protocol="tcp", backend_port=port, frontend_port_range_start=first, frontend_port_range_end=last
    )


def test_a_user_account_is_made_changed_and_removed(batch: Account, service: Endpoints) -> None:
    node = ready_node(batch)
    batch.client.create_node_user("pool", node, USER)
    with pytest.raises(HttpResponseError) as caught:
        batch.client.create_node_user("pool", node, USER)
    assert error_code(caught.value) == "NodeUserExists"
    expiry = datetime.now(UTC) + timedelta(days=3)
    batch.client.replace_node_user("pool", node, "Anna", models.BatchNodeUserReplaceOptions(expiry_time=expiry))
    batch.client.delete_node_user("pool", node, "Anna")
    with pytest.raises(HttpResponseError) as caught:
        batch.client.delete_node_user("pool", node, "Anna")
    assert (caught.value.status_code, error_code(caught.value)) == (404, "NodeUserNotFound")
    with pytest.raises(HttpResponseError) as caught:
        batch.client.replace_node_user("pool", node, "Anna", models.BatchNodeUserReplaceOptions())
    assert (caught.value.status_code, error_code(caught.value)) == (404, "NodeUserNotFound")


def test_passwords_and_keys_are_not_even_remembered(batch: Account, service: Endpoints) -> None:
    node = ready_node(batch)
    batch.client.create_node_user("pool", node, USER)
    remembered = b"".join(path.read_bytes() for path in Path(service.root).glob(f"{STATE_FILE}*"))
    assert b"Anna" in remembered
    assert b"Secret-Password" not in remembered
    assert b"c3NoLXJzYSBrZXk" not in remembered


@pytest.mark.parametrize(("command", "status"), [("reboot", 409), ("reimage", 201)])
def test_only_a_new_image_has_no_user_accounts(batch: Account, command: str, status: int) -> None:
    path = f"/pools/pool/nodes/{ready_node(batch)}"
    assert batch.send("POST", f"{path}/users", json={"name": "anna"}).status_code == 201
    assert batch.send("POST", f"{path}/{command}").status_code == 202
    batch.await_nodes()
    assert batch.send("POST", f"{path}/users", json={"name": "anna"}).status_code == status


def test_user_accounts_are_for_nodes_that_are_up(batch: Account) -> None:
    path = f"/pools/pool/nodes/{ready_node(batch)}"
    assert batch.send("POST", f"{path}/disablescheduling").status_code == 200
    for method, name in (("POST", "users"), ("PUT", "users/anna"), ("DELETE", "users/anna")):
        response = batch.send(method, f"{path}/{name}", json={"name": "anna"} if method == "POST" else {})
        assert (response.status_code, response.json()["code"]) == (409, "OperationInvalidForCurrentState")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MissingRequiredProperty"),
        ({"name": ""}, "InvalidPropertyValue"),
        ({"name": "anna", "expiryTime": "tomorrow"}, "InvalidRequestBody"),
        ({"name": "anna", "isAdmin": "yes"}, "InvalidRequestBody"),
        ({"name": "anna", "shell": "/bin/sh"}, "InvalidRequestBody"),
    ],
)
def test_a_user_account_that_can_not_be_is_refused(batch: Account, body: dict[str, object], code: str) -> None:
    response = batch.send("POST", f"/pools/pool/nodes/{ready_node(batch)}/users", json=body)
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_a_node_says_where_ssh_would_reach_it(batch: Account) -> None:
    node = ready_node(batch)
    settings = batch.client.get_node_remote_login_settings("pool", node)
    assert settings.remote_login_ip_address == batch.client.get_node("pool", node).ip_address
    assert settings.remote_login_port == 50000
    assert batch.client.get_node("pool", node).endpoint_configuration is None


SERVE = "import socket; s = socket.create_server((str(), {port})); c, _ = s.accept(); c.sendall(c.recv(9).upper())"


def call(address: str, port: int) -> bytes:
    """Says hello to a port; gives the answer, and nothing if there is none."""
    with socket.create_connection((address, port), 5) as connection:
        try:
            connection.sendall(b"hello")
            return connection.recv(9)
        except ConnectionResetError:
            return b""


def test_a_task_is_reached_by_the_port_outside(batch: Account) -> None:
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    batch.make_pool(network_configuration=network(nat_pool("web", port, 2000, 2099)))
    (node,) = batch.await_nodes()
    assert call(str(node.ip_address), 2000) == b""
    batch.make_job()
    batch.add_task(f'python3 -c "{SERVE.format(port=port)}"')
    batch.await_task(state="running")
    batch.wait_until(lambda: call(str(node.ip_address), 2000) == b"HELLO")
    assert batch.await_task().execution_info.exit_code == 0  # type: ignore[union-attr]
    assert batch.send("POST", f"/pools/pool/nodes/{node.id}/deallocate").status_code == 202
    batch.await_nodes(state="deallocated")
    with pytest.raises(ConnectionRefusedError):
        call(str(node.ip_address), 2000)


def test_ports_of_a_pool_are_shown_on_each_node(batch: Account) -> None:
    pools = nat_pool(), nat_pool("web_1", 80, 3000, 3039)
    batch.make_pool(nodes=2, network_configuration=network(*pools))
    nodes = batch.await_nodes(count=2)
    for number, node in enumerate(nodes):
        assert node.endpoint_configuration is not None
        ssh, web = node.endpoint_configuration.inbound_endpoints
        assert (ssh.name, ssh.frontend_port, ssh.backend_port, ssh.protocol) == (
            f"ssh.{number}",
            2000 + number,
            22,
            "tcp",
        )
        assert (web.name, web.frontend_port, web.backend_port) == (f"web_1.{number}", 3000 + number, 80)
        assert ssh.public_ip_address == node.ip_address
        settings = batch.client.get_node_remote_login_settings("pool", str(node.id))
        assert settings.remote_login_port == 2000 + number


def dual_stack(*pools: models.BatchInboundNatPool, families: Sequence[str] = BOTH) -> models.NetworkConfiguration:
    configuration = network(*pools)
    addresses = models.BatchPublicIpAddressConfiguration(ip_families=list(families))
    configuration.public_ip_address_configuration = addresses
    return configuration


def test_a_pool_with_both_families_has_an_address_and_each_port_of_both(batch: Account) -> None:
    batch.make_pool(network_configuration=dual_stack(nat_pool(), nat_pool("web", 80, 3000, 3039)))
    (node,) = batch.await_nodes()
    assert ipaddress.ip_address(node.ipv6_address).version == 6
    assert node.endpoint_configuration is not None
    shown = [(each.public_ip_address, each.name) for each in node.endpoint_configuration.inbound_endpoints]
    assert shown == [*product((node.ip_address, node.ipv6_address), ("ssh.0", "web.0"))]
    settings = batch.client.get_node_remote_login_settings("pool", str(node.id))
    assert settings.ipv6_remote_login_ip_address == node.ipv6_address
    assert settings.ipv6_remote_login_port == settings.remote_login_port == 2000


def test_ports_are_reached_by_the_address_of_either_family(batch: Account) -> None:
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    batch.make_pool(network_configuration=dual_stack(nat_pool("web", port, 2200, 2299)))
    (node,) = batch.await_nodes()
    batch.make_job()
    batch.add_task(f'python3 -c "{SERVE.format(port=port)}"')
    batch.await_task(state="running")
    batch.wait_until(lambda: call(node.ipv6_address, 2200) == b"HELLO")


def test_a_pool_of_ipv4_shows_no_other_address_and_one_of_ipv6_alone_is_refused(batch: Account) -> None:
    with pytest.raises(HttpResponseError) as caught:
        batch.make_pool(network_configuration=dual_stack(nat_pool(), families=["IPv6"]))
    assert error_values(caught.value)["PropertyName"].endswith("ipFamilies")
    batch.make_pool(network_configuration=dual_stack(nat_pool(), families=["IPv4"]))
    batch.await_nodes()
    (shown,) = batch.send("GET", "/pools/pool/nodes").json()["value"]
    assert "ipv6Address" not in shown
    assert len(shown["endpointConfiguration"]["inboundEndpoints"]) == 1
