"""Attempts at one task: each finds its files as the first one did; some exit codes are worth another, or a success.

Batch starts a task again in the directory that the attempt before has left (Azure/Batch#14).
"""

from collections.abc import Iterable

from prefect_azure_batch.tasks.command import INPUT_FOLDER, shell_command
from prefect_azure_batch.tasks.task_directory import BATCH_DIRECTORIES, BATCH_FILES, EXIT_CODE

ATTEMPTS_FOLDER = ".attempts"
"""In directories of multi-instance tasks: what earlier attempts have left there."""

# What there is before the first attempt stands in a file, and behind it a mark that this is all: no file is called so.
# No process is started for that, for it comes before each of very many tasks.
_NOTE_NAMES = "printf '%s\\0' * / 2> /dev/null > {beside}/began-with"
_TIDY_BY_NAMES = f"""
if [ -e {{beside}}/began-with ]; then (
shopt -s nullglob dotglob
beside={{beside}} last=
declare -A known
while IFS= read -r -d '' name; do known["/$name"]=1 last=$name; done < "$beside/began-with"
if [ "$last" != / ]; then {_NOTE_NAMES}; exit; fi
{{away}}
) else
shopt -s nullglob dotglob
{_NOTE_NAMES}
shopt -u nullglob dotglob
fi
""".strip()
_IS_NAMED = '[ -n "${known["/$name"]}" ]'
_AWAY = """
attempt=1
while [ -e "$beside/attempt-$attempt" ]; do attempt=$((attempt + 1)); done
mkdir "$beside/attempt-$attempt"
for name in *; do
    case $name in {left}) continue ;; esac
    {is_known} || mv -- "$name" "$beside/attempt-$attempt/"
done
""".strip()

# What is in the directory when the first attempt begins is copied, under another name until the copies are whole.
_TIDY_BY_COPIES = """
(
shopt -s nullglob dotglob
beside={beside}
if [ ! -e "$beside/began" ]; then
    rm -rf "$beside/begins" && mkdir -p "$beside/begins" 2> /dev/null || exit 0
    for name in *; do
        case $name in {left}) continue ;; esac
        {copy} || exit 0
    done
    mv "$beside/begins" "$beside/began"
elif [ -d "$beside/began" ]; then
{away}
{restore}
fi
)
""".strip()
_NOTE = 'mkdir -- "$beside/begins/$name"'
_IS_COPIED = '[ -e "$beside/began/$name" ] || [ -L "$beside/began/$name" ]'
# A file that there is no room for is noted like what is no file. Of folders only that of inputs is there before.
_COPY = f"""
        if [ -L "$name" ] || [ -f "$name" ] || [ "$name" = {INPUT_FOLDER} ]; then
            cp -a -- "$name" "$beside/begins/" || {{ rm -rf "$beside/begins/$name" && {_NOTE}; }}
        else {_NOTE}; fi
""".strip()
_RESTORE = f"""
for copy in "$beside/began"/*; do
    if [ -L "$copy" ] || [ -f "$copy" ] ||
        {{ [ "${{copy##*/}}" = {INPUT_FOLDER} ] && compgen -G "$copy/*" > /dev/null; }}
    then rm -rf -- "./${{copy##*/}}" && cp -a -- "$copy" .; fi
done
""".strip()

_NODES = ("AZ_BATCH_TASK_SHARED_DIR", "AZ_BATCH_TASK_WORKING_DIR")
# A node may have another subtask, in a directory of its own, at each attempt.
_OF_BATCH = "|".join([ATTEMPTS_FOLDER, *BATCH_FILES, *BATCH_DIRECTORIES, '"${AZ_BATCH_TASK_DIR##*/}"'])


def from_the_beginning(script: str, *, keeps_files: bool) -> str:
    """A script that finds its directory as its first attempt has; what attempts have left is moved to ``../attempt-n``.

    Args:
        script: of a task whose directory is its alone.
        keeps_files: files that an attempt has changed or deleted are there again for the next, from copies made before
            the first; otherwise only what is new is moved away.
    """
    return f"{_tidy('..', '', keeps_files)}\n{script}"


def nodes_from_the_beginning(script: str, *, keeps_files: bool) -> str:
    """The same for the coordination command of a multi-instance task, which runs on each node before an attempt.

    What attempts have left in the shared and the working directory is moved to ``.attempts`` in the same.
    """
    tidied = [_in_directory(name, _tidy(ATTEMPTS_FOLDER, _OF_BATCH, keeps_files)) for name in _NODES]
    return "\n".join([*tidied, script])


def _in_directory(variable: str, script: str) -> str:
    return f'(\ncd "${variable}" && mkdir -p {ATTEMPTS_FOLDER} 2> /dev/null || exit 0\n{script}\n)'


def _tidy(beside: str, left: str, keeps_files: bool) -> str:
    """Shell text; ``left`` is a pattern of names that stay as they are."""
    text, known = (_TIDY_BY_COPIES, _IS_COPIED) if keeps_files else (_TIDY_BY_NAMES, _IS_NAMED)
    parts = {"away": _AWAY, "copy": _COPY, "restore": _RESTORE, "is_known": known, "beside": beside}
    for name, part in (parts | {"left": left or "''"}).items():
        text = text.replace(f"{{{name}}}", part)
    return text


def counted_as_success(script: str, exit_codes: Iterable[int]) -> str:
    """A script that succeeds also where it ends with one of some exit codes; which it was stands in a file by then.

    Args:
        script: what runs, in a shell of its own.
        exit_codes: those that Batch is to take for success, besides 0.
    """
    codes = "|".join(str(code) for code in exit_codes)
    return f"""
exec 3>&2
{_in_a_shell(script)}
_exit_code=$?
echo $_exit_code > ../{EXIT_CODE}
case $_exit_code in {codes}) exit 0 ;; *) exit $_exit_code ;; esac
""".strip()


def repeated(script: str, times: int, exit_codes: Iterable[int]) -> str:
    """A script that runs again where it ends with one of some exit codes: a task's own retries know no codes.

    Args:
        script: what runs, in a shell of its own each time.
        times: how often it is repeated at most.
        exit_codes: those that are worth another attempt.
    """
    codes = "|".join(str(code) for code in exit_codes)
    return f"""
_attempts_left={times}
exec 3>&2
while :; do
{_in_a_shell(script)}
_exit_code=$?
case $_exit_code in {codes}) ;; *) exit $_exit_code ;; esac
[ $_attempts_left -gt 0 ] || exit $_exit_code
_attempts_left=$((_attempts_left - 1))
echo "Exit code $_exit_code: it is tried again." >&2
done
""".strip()


def _in_a_shell(script: str) -> str:
    """Shell text; where a signal ends the shell of the script, this one would show all of it on descriptor 2."""
    return f"{{ {shell_command(script)} 2>&3 3>&-; }} 2> /dev/null"
