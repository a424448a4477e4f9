"""Finds the file that a command line means, and says in plain words why a file cannot be executed."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from gotrace.elf.interpreter import read_interpreter
from gotrace.errors import CommandError, UsageError

NOT_EXECUTABLE, NOT_FOUND = 126, 127
_SKIPPED = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT, errno.EACCES})
"""Errors of one folder after which execvp(3) of glibc looks into the next one."""


def locate(name: str, env: Mapping[str, str], cwd: str | None = None) -> str:
    """The path to give to execve(2) for the command `name`, found in the way of execvp(3).

    The search is done here, before the command starts, so that its own first system call is the one execve that works.
    Relative results are relative to `cwd`.

    Raises:
        CommandError: no such file (exit code 127), or none of that name may be executed (126).
    """
    if "/" in name:
        problem = _problem(_below(cwd, name))
        if problem:
            raise refusal(name, problem, cwd)
        return name
    found, refused = _search(name, env.get("PATH", os.confstr("CS_PATH") or "/bin:/usr/bin"), cwd)
    if found:
        return found
    if refused:
        raise refusal(refused, errno.EACCES, cwd)
    raise CommandError(f"{name}: command not found in PATH", "check the spelling, install it, or give its path")


def search(name: str, path: str, cwd: str | None = None) -> str | None:
    """The first executable file called `name` in the folders of `path` (a PATH value), or None."""
    return _search(name, path, cwd)[0]


def _search(name: str, path: str, cwd: str | None) -> tuple[str | None, str | None]:
    """What can be executed, and the first file of that name that cannot."""
    refused = None
    if not name:
        return None, None
    for folder in path.split(":"):
        candidate = f"{folder}/{name}" if folder else name
        problem = _problem(_below(cwd, candidate))
        if not problem:
            # A bare name would be looked up in PATH once more by whoever reads it: "./" says the same without doubt.
            return (candidate if folder else f"./{name}"), None
        if problem == errno.EACCES:
            refused = refused or candidate
        elif problem not in _SKIPPED:
            break
    return None, refused


def _below(cwd: str | None, path: str) -> str:
    return os.path.join(cwd, path) if cwd else path  # noqa: PTH118  "./x" and "//x" must stay as they are


def _problem(path: str) -> int:
    """The errno that execve(2) would return for the file itself, 0 where it would start it."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except OSError as error:
        return error.errno or errno.EIO
    except ValueError:
        return errno.ENOENT
    if not stat.S_ISREG(mode) or not os.access(path, os.X_OK, effective_ids=True):
        return errno.EACCES
    return 0


def refusal(path: str, error: int, cwd: str | None = None) -> CommandError:
    """What to tell the user where execve(2) of `path` gave the errno `error`: file, cause and next step."""
    file = Path(_below(cwd, path))
    shown = shlex.quote(path)
    if error in (errno.ENOENT, errno.ENOTDIR) and not file.exists():
        return CommandError(f"{path}: {os.strerror(error)}", "check the path", exit_code=NOT_FOUND)
    if error == errno.ENOENT:
        cause, remedy = _missing_interpreter(file, shown)
    elif error == errno.EACCES:
        cause, remedy = _denied(file, shown)
    elif error == errno.ENOEXEC:
        cause, remedy = _unknown_format(file, shown)
    elif error == errno.E2BIG:
        cause, remedy = "the arguments and the environment together are too long", "shorten them (getconf ARG_MAX)"
    elif error == errno.ETXTBSY:
        cause, remedy = "somebody has it open for writing", f"wait until it is written: fuser -v {shown}"
    else:
        cause, remedy = os.strerror(error), ""
    return CommandError(f"{path}: cannot be executed: {cause}", remedy, exit_code=NOT_EXECUTABLE)


def _denied(file: Path, shown: str) -> tuple[str, str]:
    if file.is_dir():
        return "it is a directory", "name the program inside it"
    if not file.is_file():
        return "it is no regular file", "name a program"
    if not file.stat().st_mode & 0o111:
        program = _start(file).startswith((b"#!", b"\x7fELF"))
        return "it is not executable", f"chmod +x {shown}" if program else f"see whether it is a program: file {shown}"
    interpreter = _shebang(file)
    if interpreter is not None and not os.access(interpreter, os.X_OK):
        return f"its interpreter {interpreter!r} may not be executed", f"correct the first line of {shown}"
    return "permission denied", f"look at its permissions and whether its file system is mounted noexec: ls -l {shown}"


def _missing_interpreter(file: Path, shown: str) -> tuple[str, str]:
    interpreter = _shebang(file)
    if interpreter is None:
        loader = _loader(file)
        remedy = "it was built for another libc or machine: install that, or rebuild it for this one"
        return f"the program loader {loader or 'it names'} does not exist", remedy
    cause = f"its interpreter {interpreter!r} does not exist"
    if interpreter.endswith("\r"):
        return cause, f"its lines end in carriage returns: sed -i 's/\\r$//' {shown}"
    return cause, f"install {interpreter}, or correct the first line of {shown}"


def _unknown_format(file: Path, shown: str) -> tuple[str, str]:
    start = _start(file)
    if start.startswith(b"\x7fELF"):
        return "it was built for another machine", f"see for which: file {shown}"
    if not start or b"\0" in start:
        return "it is no program", f"see what it is: file {shown}"
    return "it is a script without a #! line", f"add one, or name the shell: sh {shown}"


def _start(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(256)
    except OSError:
        return b""


def _shebang(file: Path) -> str | None:
    """The interpreter that the first line of a script names, as the kernel reads it (fs/binfmt_script.c)."""
    start = _start(file)
    if not start.startswith(b"#!"):
        return None
    words = start[2:].split(b"\n", 1)[0].strip(b" \t").replace(b"\t", b" ").split(b" ")
    return os.fsdecode(words[0])


def _loader(file: Path) -> str | None:
    try:
        return read_interpreter(file)
    except OSError:
        return None


def checked(argv: list[str], env: Mapping[str, str]) -> dict[str, str]:
    """The environment as execve(2) can take it.

    Raises:
        UsageError: no command at all, or a NUL byte, which no argument and no variable can hold.
    """
    if not argv:
        raise UsageError("no command to trace", "name it behind --, for instance: gotrace build -- go build ./...")
    if any("\0" in word for word in argv) or any("\0" in name + value for name, value in env.items()):
        raise UsageError("an argument or a variable holds a NUL byte", "no program can be given one")
    return {name: value for name, value in env.items() if name and "=" not in name}
