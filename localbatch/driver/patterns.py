"""Patterns of output files: which directory they start from, and which names they match. No disk is touched.

``*``, ``?``, ``[abc]``, ``[a-c]`` and ``[!abc]`` match within a name, ``**`` any number of directories. A leading dot
has to be written. ``[*]`` is a plain asterisk. Source: ``OutputFile.filePattern`` in the Batch REST reference.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property

ANY_DIRECTORIES = "**"

_ESCAPED = re.compile(r"\[([*?\[])\]")
_WILDCARD = re.compile(r"[*?]|\[!?[^\]].*\]|\[!?\].*\]")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True)
class Pattern:
    """A pattern, split into names.

    Attributes:
        fixed: the directories before the first name with a wildcard; may be absolute.
        parts: the names after that, as they were written; the last one is that of the file.
    """

    fixed: str
    parts: tuple[str, ...]

    @cached_property
    def has_wildcard(self) -> bool:
        """Whether it may match more than one file."""
        return any(literal(part) is None for part in self.parts)

    def matches(self, index: int, name: str) -> bool:
        """Tells whether the name of a file or directory fits the part with that index; any fits ``**``."""
        if name.startswith(".") and not self.parts[index].startswith("."):
            return False
        return self._rules[index].match(name) is not None

    @cached_property
    def _rules(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(translate(part)) for part in self.parts)


def parse_pattern(text: str, variables: Mapping[str, str]) -> Pattern:
    """Reads a pattern.

    Args:
        text: the pattern; ``$NAME`` and ``${NAME}`` stand for variables.
        variables: their values, in which nothing is a wildcard; names not among them stay as they are written.
    """
    expanded = _VARIABLE.sub(lambda found: _value(found, variables), text)
    parts = [part for part in expanded.split("/") if part not in ("", ".")]
    fixed: list[str] = []
    while len(parts) > 1 and (name := literal(parts[0])) is not None:
        fixed.append(name)
        parts.pop(0)
    return Pattern(("/" if expanded.startswith("/") else "") + "/".join(fixed), tuple(parts))


def literal(part: str) -> str | None:
    """Returns the only name that a part matches; None if it may match several."""
    if _WILDCARD.search(_ESCAPED.sub("", part)):
        return None
    return _ESCAPED.sub(r"\1", part)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name = found[1] or found[2]
    if name not in variables:
        return found[0]
    return re.sub(r"[*?\[]", r"[\g<0>]", variables[name])
