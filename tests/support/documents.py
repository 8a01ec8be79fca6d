"""What the pages of the project show: blocks of code, and command lines of ours."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(
    path.relative_to(ROOT).as_posix()
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
)
_COMMAND = re.compile(r"\b(?:python -m (?P<module>flows\.\w+|localbatch(?:\.\w+)?)|(?P<script>azure-batch-\w+))(?= |$)")
_END = set(";&|<>()")


@dataclass(frozen=True)
class Command:
    """A command line of ours that stands on a page.

    Attributes:
        page: where it stands.
        program: a module, or a console script.
        arguments: its arguments, as a shell would hand them over.
    """

    page: str
    program: str
    arguments: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """It can be typed as it stands."""
        return "..." not in self.arguments

    def __str__(self) -> str:
        return f"{self.page}: {self.program} {' '.join(self.arguments)}"


def text_of(page: str) -> str:
    """What stands on a page."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in one language on a page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[Command]:
    """The command lines of ours on a page: in blocks for the shell, in blocks by indent, and within sentences."""
    text = text_of(page)
    indented = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    blocked = "\n".join([*blocks(page, "bash"), indented])
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = re.sub(r"\\\n\s*", " ", blocked).splitlines() + re.findall(r"`([^`\n]+)`", outside)
    return [_read(page, line, found) for line in lines if (found := _COMMAND.search(line))]


def _read(page: str, line: str, found: re.Match[str]) -> Command:
    words = shlex.shlex(line[found.end() :], posix=True, punctuation_chars=True)
    words.whitespace_split = True
    arguments = []
    for word in words:
        if set(word) <= _END:
            break
        arguments.append(word)
    return Command(page, found["module"] or found["script"], tuple(arguments))
