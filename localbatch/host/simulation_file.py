"""The file that describes a simulation."""

from pathlib import Path

import yaml

from localbatch.rules.simulation import Simulation


def read_simulation(file: Path) -> Simulation:
    """Reads what simulated nodes shall do.

    Raises:
        ValueError: the file cannot be read, or something in it cannot be; the message is one line.
    """
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"it cannot be read: {' '.join(str(error).split())}") from None
    return Simulation.read(content)
