"""Patterns of output files: relative to where a program works, never above it.

``*``, ``?``, ``[abc]`` and ``[!abc]`` match within a name, ``**`` any number of directories; a leading dot has to be
written, and ``[*]`` is a plain asterisk. Source: ``OutputFile.filePattern`` in the Batch REST reference.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property
from itertools import takewhile

from prefect_azure_batch.tasks.errors import BadInput

_ANY_DIRECTORIES = "**"
_OPTIONAL = "?"
_ESCAPED = re.compile(r"\[([*?\[])\]")
_WILDCARD = re.compile(r"[*?]|\[!?[^\]].*\]|\[!?\].*\]")


@dataclass(frozen=True)
class Pattern:
    """A pattern, split into names; no file needs to match an optional one."""

    parts: tuple[str, ...]
    is_optional: bool = False

    @property
    def only(self) -> str | None:
        """The one file that it can match; None if there may be several."""
        names = [_literal(part) for part in self.parts]
        return None if None in names else "/".join(name or "" for name in names)

    @property
    def leading(self) -> str:
        """The directories before the first name with a wildcard, without the file's own name."""
        names = (_literal(part) for part in self.parts[:-1])
        return "/".join(name or "" for name in takewhile(lambda name: name is not None, names))

    def matches(self, path: str) -> bool:
        """Tells whether a file fits, named relative to where the pattern starts, with forward slashes."""
        return self._fits(path.split("/"), 0)

    def _fits(self, names: Sequence[str], index: int) -> bool:
        if index == len(self.parts) or not names:
            return index == len(self.parts) and not names
        name, part = names[0], self.parts[index]
        if part == _ANY_DIRECTORIES:
            is_last = index == len(self.parts) - 1
            deeper = not name.startswith(".") and (self._fits(names[1:], index) or (is_last and len(names) == 1))
            return deeper or (not is_last and self._fits(names, index + 1))
        if name.startswith(".") and not part.startswith("."):
            return False
        return self._rules[index].match(name) is not None and self._fits(names[1:], index + 1)

    @cached_property
    def _rules(self) -> tuple[re.Pattern[str], ...]:
        return tuple(re.compile(translate(part)) for part in self.parts)


def parse_pattern(text: str) -> Pattern:
    """Reads a pattern; ``?`` in front of all makes it optional.

    Raises:
        BadInput: it is empty, absolute, or climbs above where it starts.
    """
    plain = text.removeprefix(_OPTIONAL)
    parts = tuple(part for part in plain.split("/") if part not in ("", "."))
    if not parts or plain.startswith("/") or ".." in parts:
        raise BadInput(f"The pattern {text!r} must be relative to the working directory and stay below it.")
    return Pattern(parts, is_optional=plain != text)


def _literal(part: str) -> str | None:
    if _WILDCARD.search(_ESCAPED.sub("", part)):
        return None
    return _ESCAPED.sub(r"\1", part)
