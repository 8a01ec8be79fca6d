"""Why a task failed, as far as the service's code, the exit code and the end of its standard error tell. Pure.

Sources: "Batch job and task error codes", Microsoft Learn; bash(1) for exit codes of 126 and more; the messages of the
GNU C library, its dynamic linker, bash, Linux and CPython.
"""

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

_SIGNALLED = 128
_KILLED = 137


@dataclass(frozen=True)
class Failure:
    """What is known of a task that failed.

    Attributes:
        code: the service's, in small letters, such as ``failureexitcode``; empty for none.
        message: what the service says, details included.
        exit_code: of its process; None if none ran to its end.
        stderr: the end of its standard error; empty if nobody has it.
    """

    code: str = ""
    message: str = ""
    exit_code: int | None = None
    stderr: str = ""


@dataclass(frozen=True)
class Cause:
    """Why tasks fail, and what to do about it."""

    name: str
    holds: Callable[[Failure], bool]
    advice: str


def _says(pattern: str) -> Callable[[Failure], bool]:
    compiled = re.compile(pattern, re.IGNORECASE)
    return lambda failure: bool(compiled.search(failure.stderr) or compiled.search(failure.message))


def _codes(*codes: str) -> Callable[[Failure], bool]:
    return lambda failure: failure.code in codes


def _exits(*exit_codes: int) -> Callable[[Failure], bool]:
    return lambda failure: failure.exit_code in exit_codes


def _either(*conditions: Callable[[Failure], bool]) -> Callable[[Failure], bool]:
    return lambda failure: any(holds(failure) for holds in conditions)


def _is_cut_off(failure: Failure) -> bool:
    return failure.code == "taskended" and re.search("time|wall", failure.message, re.IGNORECASE) is not None


CAUSES = (
    Cause(
        "link expired or refused",
        _codes("blobaccessdenied"),
        "a link of its files was over or is not allowed to read: links live as long as the run's --hours; check the "
        "roles of the node's identity, and network rules of the storage account.",
    ),
    Cause(
        "input gone",
        _codes("blobnotfound"),
        "a file that it needs is not in storage any more: run again, so that it is uploaded again.",
    ),
    Cause(
        "input could not be fetched",
        _codes("blobdownloadtimedout", "blobdownloadmiscerror"),
        "storage did not answer the node: try again; look at network rules and the subnet if it stays so.",
    ),
    Cause(
        "output not allowed",
        _codes("fileuploadaccessdenied"),
        "its link or identity may not write to the container: it needs create and write rights until the task's end.",
    ),
    Cause(
        "output container gone", _codes("fileuploadcontainernotfound"), "somebody has deleted the container: run again."
    ),
    Cause("output could not be sent", _codes("fileuploadmiscerror"), "storage did not answer the node: try again."),
    Cause(
        "package missing",
        lambda failure: "applicationpackage" in failure.code or "application package" in failure.message.lower(),
        "its application package is not in the account, or not active: publish it, or name another version.",
    ),
    Cause(
        "container image not to be had",
        lambda failure: "container" in failure.code or _says(r"pull access denied|manifest unknown")(failure),
        "check the image's name and tag, and the registry's password or identity in the pool's description.",
    ),
    Cause(
        "time limit",
        _is_cut_off,
        "it took longer than it may: raise --task-minutes, or give each task less to do.",
    ),
    Cause("ended by somebody", _codes("taskended"), "somebody, or the end of its job, has ended it: run again."),
    Cause(
        "interpreter missing",
        _says(r"\\r'|\^M|\r|bad interpreter|required file not found"),
        "the first line of a script names a program that the node has not, most likely because the script has line "
        "ends of Windows: save it with those of Unix, as by: sed -i 's/\\r$//' SCRIPT",
    ),
    Cause(
        "wrong architecture",
        _says(r"exec format error|cannot execute binary file"),
        "the program is made for another system or processor: build it for Linux on the VM size's processor (x86-64, "
        "or ARM64 for sizes with a 'p').",
    ),
    Cause(
        "library missing",
        _says(r"error while loading shared libraries|cannot open shared object file|GLIBC_[\d.]+' not found"),
        "install it with --setup or the pool's start task, ship it beside the program, or choose another image.",
    ),
    Cause(
        "Python module missing",
        _says(r"ModuleNotFoundError|ImportError: No module named"),
        "install it with --setup, as by: python3 -m pip install --target {app}/lib NAME",
    ),
    Cause(
        "disk full",
        _either(_codes("diskfull"), _says(r"no space left on device|disk quota exceeded")),
        "choose a VM size with more local disk, data disks, or fewer --slots; delete what is not needed on the way.",
    ),
    Cause(
        "out of memory",
        _either(_says(r"out of memory|MemoryError|std::bad_alloc|cannot allocate memory|oom-kill"), _exits(_KILLED)),
        "it was killed for its memory, as it seems: fewer --slots, more --required-slots, or a larger VM size.",
    ),
    Cause(
        "permission denied",
        _either(_exits(126), _says(r"permission denied")),
        "a file is not executable, or belongs to somebody else: ship it with its execute bit, or ask for --elevated.",
    ),
    Cause(
        "program not found",
        _either(_codes("commandprogramnotfound"), _exits(127), _says(r"command not found")),
        "its name is wrong, or it is not on the node: ship it with --app and call it {app}/NAME, or install it with "
        "--setup.",
    ),
    Cause(
        "file not found",
        _says(r"no such file or directory"),
        "a path is wrong: a task runs in its own directory, which holds its input; the program is in {app}.",
    ),
    Cause(
        "crashed",
        _exits(_SIGNALLED + signal.SIGSEGV, _SIGNALLED + signal.SIGABRT, _SIGNALLED + signal.SIGBUS, 132, 136),
        "the program itself has crashed: try it on this input on your own machine, or with `python -m localbatch`.",
    ),
    Cause(
        "launch failed", _codes("commandlaunchfailed"), "the node could not start it: look at what the service says."
    ),
)
"""The most telling one first."""

OTHER = Cause("failed", lambda failure: True, "look at the end of its standard error, and of its standard output.")


def cause_of(failure: Failure) -> Cause:
    """Why a task most likely failed."""
    return next((cause for cause in CAUSES if cause.holds(failure)), OTHER)
