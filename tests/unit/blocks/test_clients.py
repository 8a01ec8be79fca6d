import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import pytest
import requests

from prefect_azure_batch.blocks.clients import blob_options, cached, service_options, shared_transport

LOCAL, AZURE = "http://127.0.0.1:1", "https://lab.westeurope.batch.azure.com"


def test_threads_that_ask_at_once_get_one_client() -> None:
    barrier = threading.Barrier(8)

    def ask() -> object:
        barrier.wait()
        return cached(("test", "threads"), object)

    with ThreadPoolExecutor(8) as threads:
        assert len({id(future.result()) for future in [threads.submit(ask) for _ in range(8)]}) == 1


def test_other_values_get_another_client() -> None:
    assert cached(("test", 1), object) is not cached(("test", 2), object)


def test_what_was_used_least_lately_is_forgotten() -> None:
    first, kept = cached(("test", "first"), object), cached(("test", "kept"), object)
    for number in range(100):
        cached(("test", "many", number), object)
        assert cached(("test", "kept"), object) is kept
    assert cached(("test", "first"), object) is not first


def _send_maker(pipe: Connection) -> None:
    pipe.send(cached(("test", "fork"), os.getpid))


def test_a_forked_process_shares_no_client() -> None:
    here, there = get_context("fork").Pipe()
    assert cached(("test", "fork"), os.getpid) == os.getpid()
    child = get_context("fork").Process(target=_send_maker, args=(there,))
    child.start()
    assert here.poll(30)
    assert here.recv() == child.pid
    child.join(30)


@pytest.mark.parametrize("options", [service_options, blob_options])
def test_patience_is_shorter_on_this_machine(options: Callable[[str], dict[str, Any]]) -> None:
    local, azure = (options(endpoint)["retry_policy"].patience.seconds for endpoint in (LOCAL, AZURE))
    assert 5 <= local <= 10
    assert azure == 60


def test_proxies_are_not_asked_for_on_this_machine_only() -> None:
    for endpoint, asked in ((LOCAL, False), (AZURE, True)):
        session = shared_transport(endpoint).session
        assert isinstance(session, requests.Session)
        assert session.trust_env is asked


def test_a_transport_outlives_a_with_block() -> None:
    transport = shared_transport(LOCAL)
    with transport:
        pass
    assert transport.session is not None
    transport.open()
