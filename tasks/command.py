"""Command templates: placeholders become shell variables, so that no file name is ever read as code.

A placeholder turns into a reference to an environment variable of the task, and the value travels as that variable's
value. Outside quotes the reference is quoted; inside double quotes it stands bare, which is right there.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from prefect_azure_batch.tasks.errors import BadInput

INPUT_VARIABLE = "BATCH_MAP_INPUT"
STEM_VARIABLE = "BATCH_MAP_STEM"
INDEX_VARIABLE = "BATCH_MAP_INDEX"

MAP_VARIABLES = {"input": INPUT_VARIABLE, "stem": STEM_VARIABLE, "index": INDEX_VARIABLE}
"""The placeholders of a map's command besides ``{app}``, and the variables they become."""

INPUT_FOLDER = "inputs"
"""Where the files of a task with several of them lie, in its working directory."""

GROUP_VARIABLES = {"inputs": "BATCH_MAP_INPUTS[@]", "index": INDEX_VARIABLE}
"""The same where a task has several inputs; they become an array, for names travel in no variable."""

_APP = "app"
_NO_PROGRAM = "The command uses {app}, but no program was given: name one with --app."
REDUCE_VARIABLES = {"inputs": GROUP_VARIABLES["inputs"]}
"""The same for what takes the results of all."""

_ARRAY = "[@]"
# In the order of bytes, whatever the node's language; the shell's own options are for what follows.
_LIST_INPUTS = f"""
BATCH_MAP_INPUTS=()
_list_inputs() {{
local LC_ALL=C name
shopt -s globstar nullglob dotglob
for name in {INPUT_FOLDER}/**; do if [ -f "$name" ]; then BATCH_MAP_INPUTS+=("$name"); fi; done
shopt -u globstar nullglob dotglob
}}
_list_inputs
unset -f _list_inputs
""".lstrip()
# What ends a command outside quotes; "2>&1" and "&>" do not.
_SEPARATOR = re.compile(r"[;|\n]|(?<![<>])&(?!>)")


class _Quotes(Enum):
    NONE = ""
    SINGLE = "'"
    DOUBLE = '"'


@dataclass(frozen=True)
class Template:
    """A command with placeholders, taken apart.

    Attributes:
        text: what the user wrote.
        pieces: literal shell text and placeholders, alternating as they stand: ``(text, None)`` or ``(name, quotes)``.
        variables: placeholders that may be used besides ``{app}``, and the variables they become.
        bare: the literal text that stands outside quotes and parentheses.
    """

    text: str
    pieces: tuple[tuple[str, _Quotes | None], ...]
    variables: Mapping[str, str]
    bare: str

    @property
    def placeholders(self) -> set[str]:
        """Names of the placeholders used."""
        return {text for text, quotes in self.pieces if quotes is not None}

    @property
    def is_one_command(self) -> bool:
        """Whether it is a single command with its arguments and redirections, such as can follow a launcher."""
        return _SEPARATOR.search(self.bare.strip()) is None

    def script(self, app_variable: str | None, lists: str | None = None) -> str:
        """The shell script to run on the node.

        Args:
            app_variable: variable that holds the program's directory; None if there is no program.
            lists: what fills the array of ``{inputs}``, if it is not what the folder of inputs holds.

        Raises:
            BadInput: ``{app}`` is used and there is no program.
        """
        if _APP in self.placeholders and not app_variable:
            raise BadInput(_NO_PROGRAM)
        variables = {**self.variables, _APP: app_variable or ""}
        script = "".join(
            text if quotes is None else _reference(variables[text], quotes) for text, quotes in self.pieces
        )
        return (_LIST_INPUTS if lists is None else lists) + script if self._lists_inputs else script

    @property
    def _lists_inputs(self) -> bool:
        return any(variable.endswith(_ARRAY) and name in self.placeholders for name, variable in self.variables.items())


def parse_template(text: str, variables: Mapping[str, str] = MAP_VARIABLES, *, has_program: bool = True) -> Template:
    """Takes a command apart.

    Args:
        text: shell text with placeholders such as ``{app}``; ``{{`` and ``}}`` stand for braces.
        variables: the placeholders it may hold besides ``{app}``, and the variables they become.
        has_program: whether there is a program whose directory ``{app}`` can stand for.

    Raises:
        BadInput: an unknown placeholder, a single brace, a placeholder in quotes where it cannot be, an empty command,
            ``{app}`` without a program.
    """
    if not text.strip():
        raise BadInput("The command is empty: say what to run.")
    if "\0" in text:
        raise BadInput("The command holds a NUL character, which no shell accepts.")
    pieces: list[tuple[str, _Quotes | None]] = []
    contexts: list[str] = []
    literal, bare, position = "", "", 0
    while position < len(text):
        quotes = _quotes(contexts)
        lexeme = _lexeme(text, position, quotes)
        position += len(lexeme)
        bare += "" if contexts or lexeme[0] in "\\{" else lexeme
        if lexeme in ("{{", "}}"):
            literal += lexeme[0]
        elif lexeme[0] == "{":
            pieces += [(literal, None), (_placeholder(lexeme, quotes, variables), quotes)]
            literal = ""
        else:
            literal += lexeme
            _step(contexts, lexeme)
    template = Template(text, tuple(piece for piece in [*pieces, (literal, None)] if piece[0]), variables, bare)
    if _APP in template.placeholders and not has_program:
        raise BadInput(_NO_PROGRAM)
    return template


def _lexeme(text: str, position: int, quotes: _Quotes) -> str:
    pair = text[position : position + 2]
    if pair in ("{{", "}}") or (pair == "$(" and quotes is not _Quotes.SINGLE):
        return pair
    if text[position] == "\\" and quotes is not _Quotes.SINGLE and len(pair) == 2:
        return _escape(text, position)
    if text[position] == "}":
        raise BadInput("The command has a single '}': write '}}' for a brace.")
    if text[position] != "{":
        return text[position]
    end = text.find("}", position)
    if end < 0:
        raise BadInput("The command has a single '{': write '{{' for a brace.")
    return text[position : end + 1]


def _placeholder(lexeme: str, quotes: _Quotes, variables: Mapping[str, str]) -> str:
    name = lexeme[1:-1]
    if name != _APP and name not in variables:
        known = ", ".join(f"{{{known}}}" for known in [*variables, _APP])
        raise BadInput(
            f"The command has an unknown placeholder {lexeme!r}: there are {known}; write {{{{ and }}}} for braces."
        )
    if quotes is _Quotes.SINGLE:
        raise BadInput(f"The command has {lexeme} in single quotes, where the shell reads it literally: drop them.")
    if quotes is _Quotes.DOUBLE and variables.get(name, "").endswith(_ARRAY):
        raise BadInput(f"The command has {lexeme} in double quotes: drop them, each file is an argument of its own.")
    return name


def _escape(text: str, position: int) -> str:
    escaped = text[position + 1]
    if escaped not in "{}":
        return text[position : position + 2]
    if text[position + 1 : position + 3] in ("{{", "}}"):
        return text[position]
    raise BadInput("The command has a backslash before a placeholder: write '\\\\' for a backslash.")


def _quotes(contexts: list[str]) -> _Quotes:
    return _Quotes(contexts[-1]) if contexts and contexts[-1] in "'\"" else _Quotes.NONE


def _step(contexts: list[str], lexeme: str) -> None:
    """Follows the shell into and out of quotes, parentheses and backticks; ``contexts`` is the stack of those open."""
    top = contexts[-1] if contexts else ""
    if top == "'":
        if lexeme == "'":
            contexts.pop()
    elif lexeme == "$(" or (lexeme == "(" and top != '"'):
        contexts.append(")")
    elif lexeme and lexeme == top:
        contexts.pop()
    elif lexeme in ('"', "`") or (lexeme == "'" and top != '"'):
        contexts.append(lexeme)


def _reference(variable: str, quotes: _Quotes) -> str:
    return f"${{{variable}}}" if quotes is _Quotes.DOUBLE else f'"${{{variable}}}"'


def shell_command(script: str) -> str:
    """The command line of a Batch task that runs a script: Batch itself starts no shell."""
    return f"/bin/bash -c {shlex.quote(script)}"


def file_argument(name: str) -> str:
    """A file name in the working directory as an argument that no program takes for an option."""
    return f"./{name}" if name.startswith("-") else name
