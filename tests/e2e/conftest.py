"""What the tests of the command lines share."""

import os
import subprocess
import sys

LIMIT = 240


def environment(**changes: str) -> dict[str, str]:
    """The environment of a user who has set nothing for Prefect or localbatch, with these changes."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "LOCALBATCH_"))}
    return kept | {"PREFECT_HOME": os.environ["PREFECT_HOME"]} | changes


def run_flow(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs ``python -m flows.<name>`` to its end."""
    command = [sys.executable, "-m", f"flows.{name}", *arguments]
    return subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=LIMIT, check=False
    )
