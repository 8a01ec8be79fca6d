"""Runs the sessions of this directory, each against a local Azure of its own and with its client in an environment of its own.

    python examples/sdk/every_client.py                 # all of them; the first time downloads about 2 GB
    python examples/sdk/every_client.py az npm          # some of them
    python examples/sdk/every_client.py --keep DIR      # keeps the environments there for the next time

Needs Node.js with npm for one of them, and gcc for another. The exit status tells whether all sessions went well.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path

from localbatch.launcher import LocalAzure

HERE = Path(__file__).resolve().parent
SECONDS = 600


@dataclass(frozen=True)
class Session:
    """A session with one client.

    Attributes:
        command: what runs it; the connection file is added.
        packages: what pip installs for it.
        setup: commands that run in its environment before.
        variables: what is added to the variables of the environment.
        options: of the local Azure.
        published: application packages that it has: id, version and program.
    """

    command: tuple[str, ...]
    packages: tuple[str, ...] = ()
    setup: tuple[tuple[str, ...], ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    published: tuple[tuple[str, str, str], ...] = ()


def sessions(home: Path) -> dict[str, Session]:
    """All sessions by name, with their environments below a directory."""
    npm, airflow = home / "npm", home / "airflow"
    blobs = "azure-storage-blob==12.31.1"
    return {
        "15": Session(("python", f"{HERE}/azure_batch_15.py"), ("azure-batch==15.1.0", blobs)),
        "15-async": Session(("python", f"{HERE}/azure_batch_15_async.py"), ("azure-batch==15.1.0", "aiohttp==3.14.5")),
        **{
            version.removesuffix(".0").removesuffix(".0"): Session(("python", f"{HERE}/azure_batch_10_to_14.py"), (f"azure-batch=={version}", blobs))
            for version in ("14.2.0", "14.1.0", "14.0.0", "12.0.0", "10.0.0")},
        "article": Session(
            ("python", f"{HERE}/article.py"), ("azure-batch==10.0.0", "azure-storage-blob==12.6.0"),
            setup=(("mpicc", "-O2", "-o", f"{home}/article/ring", f"{HERE.parent}/mpi/app/ring.c"),),
            options=("--image", "OpenLogic:CentOS-HPC:7.4:batch.node.centos 7"),
            published=(("myapp", "1", f"{HERE.parent}/map/app"), ("aout", "1", f"{home}/article/ring"))),
        "az": Session(("bash", f"{HERE}/az.sh"), ("azure-cli==2.91.0",), variables={"AZURE_CONFIG_DIR": f"{home}/az/config"}),
        "npm": Session(
            ("node", f"{npm}/session.js"),
            setup=(
                ("cp", f"{HERE}/azure_batch_npm/package.json", f"{HERE}/azure_batch_npm/session.js", f"{npm}/"),
                ("npm", "install", "--no-audit", "--no-fund", "--prefix", str(npm)),
            )),
        "airflow": Session(
            ("python", f"{HERE}/airflow_dag.py"),
            ("apache-airflow==3.3.2", "apache-airflow-providers-microsoft-azure==15.2.1"),
            setup=(("mkdir", "-p", f"{airflow}/dags"), ("cp", f"{HERE}/airflow_dag.py", f"{airflow}/dags"), ("airflow", "db", "migrate")),
            variables={
                "AIRFLOW_HOME": str(airflow), "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__DAGS_FOLDER": f"{airflow}/dags"}),
    }


def prepare(session: Session, directory: Path) -> dict[str, str]:
    """Installs a client; returns the variables with which its session runs."""
    environment = directory / "venv"
    if not environment.exists():
        venv.create(environment, with_pip=True)
    variables = {
        **os.environ, **session.variables, "VIRTUAL_ENV": str(environment), "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PATH": f"{environment}/bin{os.pathsep}{os.environ['PATH']}"}
    installs = [("pip", "install", "--quiet", *session.packages)] if session.packages else []
    for command in (*installs, *session.setup):
        subprocess.run(command, env=variables, check=True, stdout=subprocess.DEVNULL)
    return variables


def run(session: Session, variables: dict[str, str], directory: Path) -> bool:
    """Runs a session against a local Azure that nobody else uses."""
    file = directory / "azure.json"
    with LocalAzure(attach=False, options=session.options) as azure:
        file.write_text(azure.endpoints.to_line())
        for package in session.published:
            subprocess.run([sys.executable, f"{HERE}/publish_package.py", str(file), *package], check=True)
        return subprocess.run([*session.command, str(file)], env=variables, timeout=SECONDS).returncode == 0


def main() -> int:
    """Reads the command line and runs what it names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(sessions(Path()))}")
    parser.add_argument("--keep", type=Path, help="directory of the environments")
    given = parser.parse_args()
    if unknown := set(given.names) - sessions(Path()).keys():
        parser.error(f"there is no session {', '.join(sorted(unknown))}: some of {', '.join(sessions(Path()))}")
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        home = (given.keep or Path(temporary)).resolve()
        known = sessions(home)
        for name in given.names or known:
            directory = home / name
            directory.mkdir(parents=True, exist_ok=True)
            print(f"==== {name}: {' '.join(known[name].packages) or 'see package.json'}", flush=True)
            variables = prepare(known[name], directory)
            start = time.perf_counter()
            results[name] = run(known[name], variables, directory), time.perf_counter() - start
    for name, (succeeded, seconds) in results.items():
        print(f"{name:<9} {'succeeded' if succeeded else 'FAILED':<9} {seconds:>6.1f} s")
    return not all(succeeded for succeeded, _ in results.values())


if __name__ == "__main__":
    sys.exit(main())
