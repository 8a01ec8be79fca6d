"""What the process driver costs beside the work: commands per second, and MiB per second to and from Azurite.

    python benchmarks/node_driver.py [--mebibytes 256]

The driver runs alone, without the service's REST API, store and engine.
"""

import argparse
import asyncio
import base64
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from localbatch.bodies.commands import OutputContainer, OutputDestination, OutputFile, OutputUploadOptions, ResourceFile
from localbatch.driver.interface import NodePlace, Outcome, Run
from localbatch.driver.process import ProcessDriver
from localbatch.host.azurite import Azurite, StorageOptions

_ACCOUNT = "benchmark"
_MEBIBYTE = 1 << 20


def place(root: Path) -> NodePlace:
    """The only node."""
    return NodePlace(_ACCOUNT, "http://127.0.0.1:1", "pool", "tvm-1", "127.1.0.4", "node-1", True, root)


async def run_many(driver: ProcessDriver, node: NodePlace, count: int, at_once: int) -> float:
    """Runs `true` so many times, so many at once; returns the seconds it took."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            outcome = await driver.execute(Run(node, f"workitems/{at_once}/job-1/{number}", "true"), lambda: None)
            assert outcome.exit_code == 0, outcome

    start = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(at_once)))
    return time.perf_counter() - start


async def measure_commands(driver: ProcessDriver, node: NodePlace) -> None:
    """Prints commands per second."""
    print("commands  at once  per second  CPU ms of the service each")
    for count, at_once in ((200, 1), (1000, 8), (2000, 200)):
        before = time.process_time()
        seconds = await run_many(driver, node, count, at_once)
        busy = (time.process_time() - before) / count * 1000
        print(f"{count:>8} {at_once:>8} {count / seconds:>11.0f} {busy:>27.2f}", flush=True)


def container_link(azurite: Azurite) -> str:
    """Makes a container and returns a link that may do all with it."""
    with BlobServiceClient.from_connection_string(azurite.connection_string, use_env_settings=False) as service:
        service.create_container("bench")
    signature = generate_container_sas(
        azurite.account,
        "bench",
        account_key=azurite.key,
        permission=ContainerSasPermissions(read=True, write=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return f"{azurite.blob_endpoint}/bench?{signature}"


def output(link: str) -> OutputFile:
    """The large file as an output file."""
    destination = OutputDestination(container=OutputContainer(container_url=link))
    return OutputFile(file_pattern="big", destination=destination, upload_options=OutputUploadOptions())


async def measure_transfer(driver: ProcessDriver, node: NodePlace, link: str, mebibytes: int) -> None:
    """Prints how fast one large file goes up and comes down."""
    size = mebibytes * _MEBIBYTE
    up = Run(node, "workitems/up", f"truncate -s {size} big", output_files=(output(link),))
    down = Run(node, "workitems/down", "true", resource_files=(ResourceFile(storage_container_url=link),))
    for name, run in (("up", up), ("down", down)):
        outcome: Outcome = await driver.execute(run, lambda: None)
        assert outcome.failure is None, outcome
        seconds = (outcome.ended - outcome.started).total_seconds()
        print(f"one file of {mebibytes} MiB {name}: {mebibytes / seconds:.0f} MiB/s", flush=True)
    print(f"largest memory of the service: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


async def measure(root: Path, mebibytes: int) -> None:
    """Prints all figures."""
    driver, node = ProcessDriver(), place(root / "node")
    await driver.create_node(node, ())
    await measure_commands(driver, node)
    key = base64.b64encode(os.urandom(64)).decode()
    with Azurite(StorageOptions(account=_ACCOUNT, key=key, location=root / "blobs")) as azurite:
        await measure_transfer(driver, node, container_link(azurite), mebibytes)
    await driver.close()


def main() -> None:
    """Reads the command line and measures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--mebibytes", type=int, default=256, help="size of the large file")
    with tempfile.TemporaryDirectory() as root:
        asyncio.run(measure(Path(root), parser.parse_args().mebibytes))


if __name__ == "__main__":
    main()
