"""``python -m localbatch``: a local Azure Batch and Blob service for any SDK, CLI or tool."""

import argparse
import base64
import functools
import ipaddress
import math
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from localbatch.host.faults import BATCH_FAULTS, BLOB_FAULTS
from localbatch.host.foreground import BAD_OPTION, Options, run
from localbatch.host.mpi_runtime import FLAVOURS, MPICH
from localbatch.rules.images import Image
from localbatch.rules.quotas import UNLIMITED

if TYPE_CHECKING:
    from localbatch.rules.simulation import Simulation

_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 0.05, 604_800.0
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_FAMILY = re.compile(r"standard\w+family", re.IGNORECASE)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Says what is wrong in one line."""
        self.exit(BAD_OPTION, f"localbatch: error: {message}\n")


_LARGEST_OFFSET = 86_400.0  # seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line, then serves until SIGTERM or SIGINT.

    Returns:
        The exit status: 0 stopped by a signal, 1 failed, 2 bad options.
    """
    parser = make_parser()
    given = parser.parse_args(arguments)
    if (given.certfile is None) != (given.keyfile is None):
        parser.error("--certfile and --keyfile go together")
    if not (given.allow_remote or ipaddress.ip_address(given.host).is_loopback):
        parser.error(f"{given.host} is not a loopback address; --allow-remote lets other machines call")
    given.simulation = _read_simulation(parser, given)
    return run(Options(**vars(given)))


def _read_simulation(parser: argparse.ArgumentParser, given: argparse.Namespace) -> "Simulation | None":
    if given.simulation is None:
        return None
    if given.driver != "simulated":
        parser.error("--simulation goes with --driver simulated")
    for option in ("task_seconds", "allocation_seconds", "start_seconds", "preemptions_per_hour", "preemption_seed"):
        if getattr(given, option) != parser.get_default(option):
            parser.error(f"--{option.replace('_', '-')} is a key of the file that --simulation names")
    from localbatch.host.simulation_file import read_simulation

    try:
        return read_simulation(given.simulation)
    except ValueError as error:
        parser.error(f"--simulation {given.simulation}: {error}")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = _Parser(
        prog="python -m localbatch",
        description="A local Azure Batch service, with Azurite as its Blob service. When it is ready it prints one "
        "JSON line on standard output that says how to reach it; logs go to standard error.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--host", type=_address, default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add("--allow-remote", action="store_true", help="let --host be an address that other machines can reach")
    add("--host-name", action="append", default=[], type=str.lower, help="a further name by which clients may call it")
    add("--port", type=_port, default=0, help="port of the Batch service; 0 picks one, after a restart the same")
    add("--account", type=_account, help="name of the Batch account (default: localbatch)")
    add("--key", type=_key, help="account key, base64 (made if not given)")
    add("--root", type=Path, help="directory of state, nodes and blobs, kept at the end (default: a temporary one)")
    add("--certfile", type=_file, help="certificate for TLS on the Batch service, PEM")
    add("--keyfile", type=_file, help="private key of the certificate, PEM")
    add("--no-storage", dest="storage", action="store_false", help="Batch alone, no Blob service")
    add("--allocation-seconds", type=_seconds, default=0.0, help="how long pools take to get nodes (default: 0)")
    add("--start-seconds", type=_seconds, default=0.0, help="how long nodes take to start (default: 0)")
    add("--preemptions-per-hour", type=_rate, default=0.0, help="how often a spot node is preempted (default: 0)")
    add("--preemption-seed", type=_count, help="has preemptions repeat themselves (default: by chance)")
    add("--driver", choices=("process", "simulated"), default="process", help="run tasks, or only pretend to")
    add("--mpi", choices=FLAVOURS, default=MPICH, help="the MPI that nodes have; openmpi and intel are installed once")
    add(
        "--simulation",
        type=Path,
        metavar="FILE",
        help="what simulated nodes and tasks do, and how fast time goes for them: keys in YAML, see docs/simulation.md",
    )
    add("--task-seconds", type=_seconds, default=0.0, help="how long a simulated task takes (default: 0)")
    add(
        "--autoscale-seconds",
        type=_interval,
        metavar="SECONDS",
        help="how often autoscale formulas are evaluated (default: as their pools say); samples are taken at least as "
        "often",
    )
    add("--pool-quota", type=_count, help="pools that an account may have (default of this and other quotas: no limit)")
    add("--job-quota", type=_count, help="jobs and job schedules that an account may have besides completed ones")
    add("--dedicated-core-quota", type=_count, help="cores of dedicated nodes that an account may have")
    add("--low-priority-core-quota", type=_count, help="cores of spot nodes that an account may have")
    add(
        "--family-core-quota",
        type=_family_quota,
        action="append",
        default=[],
        metavar="FAMILY=CORES",
        help="cores of dedicated nodes of one VM family, such as standardDSv3Family=16; may be given several times",
    )
    add(
        "--image",
        type=_image,
        action="append",
        default=[],
        metavar="PUBLISHER:OFFER:SKU:AGENT",
        help="an image that pools may ask for besides those that are listed; may be given several times",
    )
    add(
        "--mounts",
        choices=("real", "echo"),
        default="real",
        help="echo: file systems that can't be mounted here are empty directories, and nodes stay usable",
    )
    add("--tokens", action="store_true", help="accept bearer tokens on the data plane too, as LocalAzure makes them")
    rate: dict[str, Any] = {"action": "append", "default": [], "metavar": "FAULT=RATE"}
    for option, service, faults in (("--fault", "Batch", BATCH_FAULTS), ("--blob-fault", "Blob", BLOB_FAULTS)):
        texts = "; ".join(f"{name}: {what}" for name, what in faults.items())
        help_text = f"have {service} fail so often (0 to 1); may be given several times. {texts}"
        add(option, type=functools.partial(_fault, faults), **rate, help=help_text)
    add("--fault-seed", type=_count, help="has faults repeat themselves (default: by chance)")
    add("--latency-ms", type=_milliseconds, default=0.0, help="by how much each answer of both is late (default: 0)")
    add(
        "--clock-ahead-seconds",
        type=_offset,
        default=0.0,
        metavar="SECONDS",
        help="by how much the clock of Batch is ahead of this machine's; less than 0 for behind (default: 0)",
    )
    add("--stop-with-stdin", action="store_true", help="stop when standard input is closed or the parent ends")
    return parser


def _address(text: str) -> str:
    if text == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text} is not an IP address") from None


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port (0 to 65535)")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) >= UNLIMITED:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 0")
    return int(text)


def _fault(known: Iterable[str], text: str) -> tuple[str, float]:
    fault, _, rate = text.partition("=")
    if fault not in known or not rate:
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(f'{name}=RATE' for name in known)}")
    share = _positive(rate, "a rate from 0 to 1")
    if share > 1:
        raise argparse.ArgumentTypeError(f"{rate} is not a rate from 0 to 1")
    return fault, share


def _family_quota(text: str) -> tuple[str, int]:
    family, _, cores = text.partition("=")
    if not _FAMILY.fullmatch(family):
        raise argparse.ArgumentTypeError(f"{text} is not of the form standardDSv3Family=16")
    return family, _count(cores)


def _image(text: str) -> Image:
    parts = text.split(":")
    if len(parts) != 4 or not all(part.strip() for part in parts):
        example = "'canonical:ubuntuserver:16.04-lts:batch.node.ubuntu 16.04'"
        raise argparse.ArgumentTypeError(f"{text} is not of the form PUBLISHER:OFFER:SKU:AGENT, such as {example}")
    publisher, offer, sku, agent = parts
    return Image(publisher, offer, sku, agent)


def _account(text: str) -> str:
    if not _ACCOUNT.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text} is not an account name: 3 to 24 lower-case letters and digits")
    return text


def _key(text: str) -> str:
    # The value itself stays out of the message.
    try:
        if base64.b64decode(text, validate=True):
            return text
    except ValueError:
        pass
    raise argparse.ArgumentTypeError("the value is not base64")


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return path


def _seconds(text: str) -> float:
    return _positive(text, "a number of seconds")


def _offset(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= _LARGEST_OFFSET:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, at most a day")
    return value


def _milliseconds(text: str) -> float:
    return _positive(text, "a number of milliseconds")


def _rate(text: str) -> float:
    return _positive(text, "a number of times per hour")


def _positive(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not {what}")
    return value


def _interval(text: str) -> float:
    value = _seconds(text)
    if not _SHORTEST_INTERVAL <= value <= _LONGEST_INTERVAL:
        raise argparse.ArgumentTypeError(f"{text} does not lie between {_SHORTEST_INTERVAL} seconds and 168 hours")
    return value


if __name__ == "__main__":
    sys.exit(main())
