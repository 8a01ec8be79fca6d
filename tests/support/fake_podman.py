"""A stand-in for podman and docker: writes down how it is called, and runs containers as plain processes.

    python fake_podman.py <directory of its state> <arguments as podman takes them>

Images are the names in the file ``images``; those in ``registry`` can be pulled. A file ``broken`` has it fail at once.
"""

import csv
import json
import os
import sys
from pathlib import Path


def main() -> int:
    """Does what the first argument says."""
    state, words = Path(sys.argv[1]), sys.argv[2:]
    with (state / "calls").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    if (state / "broken").exists():
        return 125
    config = ""
    if words[0].startswith("--config="):
        config = words.pop(0).partition("=")[2] + "/config.json"
    if words[0] == "pull":
        login = next((word.partition("=")[2] for word in words if word.startswith("--authfile=")), config)
        return pull(state, words[-1], Path(login))
    actions = {"create": create, "start": start, "inspect": inspect, "image": find_image, "ps": list_all, "rm": remove}
    action = actions.get(words[0])
    return 0 if action is None else action(state, words[1:])


def create(state: Path, words: list[str]) -> int:
    """Writes down a container and prints its id."""
    options = []
    while words[0].startswith("--"):
        options.append(words.pop(0))
    image, *command = words
    if find_image(state, [image]):
        return 125
    if "--nonsense" in options:
        print("Error: unknown flag: --nonsense\n\nSee the manual", file=sys.stderr)
        return 125
    values = [option.partition("=")[::2] for option in options]
    settings = [value for name, value in values if name == "--env"]
    environment = {each.partition("=")[0]: each.partition("=")[2] for each in settings if "=" in each}
    environment |= {name: os.environ[name] for name in settings if "=" not in name}
    # Here the node's directories lie where they are; in a container they would be seen where they are to be mounted.
    for source, target in (_mount(value) for name, value in values if name == "--mount"):
        environment = {key: each.replace(target, source) for key, each in environment.items()}
    known = {"command": command, "environment": environment}
    known["directory"] = environment.get("AZ_BATCH_TASK_WORKING_DIR", "/") if "--workdir" in dict(values) else "/"
    (state / f"{dict(values)['--name']}.json").write_text(json.dumps(known))
    print("id-of-container")
    return 0


def _mount(value: str) -> tuple[str, str]:
    fields = dict(field.partition("=")[::2] for field in next(csv.reader([value])))
    return fields["source"], fields["target"]


def start(state: Path, words: list[str]) -> int:
    """Becomes the command of a container."""
    known = json.loads((state / f"{words[-1]}.json").read_text())
    (state / "started").touch()
    os.chdir(known["directory"])
    try:
        os.execvpe(known["command"][0], known["command"], {"PATH": os.defpath, **known["environment"]})
    except FileNotFoundError:
        (state / "started").unlink()
        print("Error: executable not found", file=sys.stderr)
        return 1


def inspect(state: Path, words: list[str]) -> int:
    """Prints the state of a container."""
    print("exited" if (state / "started").exists() else "created")
    return 0


def find_image(state: Path, words: list[str]) -> int:
    """Fails if the image is not there."""
    return 0 if words[-1] in _lines(state / "images") else 125


def pull(state: Path, image: str, login: Path) -> int:
    """Gets an image from the registry, and writes down with which passwords."""
    (state / "login").write_text(login.read_text())
    if image not in _lines(state / "registry"):
        print(f"Trying to pull {image}...\nError: unauthorized", file=sys.stderr)
        return 125
    with (state / "images").open("a") as images:
        images.write(image + "\n")
    return 0


def list_all(state: Path, words: list[str]) -> int:
    """Prints the names of all containers."""
    for file in state.glob("*.json"):
        print(file.stem)
    return 0


def remove(state: Path, words: list[str]) -> int:
    """Forgets containers."""
    for word in words:
        (state / f"{word}.json").unlink(missing_ok=True)
    return 0


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


if __name__ == "__main__":
    sys.exit(main())
