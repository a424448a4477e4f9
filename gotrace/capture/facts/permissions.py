"""Files that a program was kept from though their permissions let it in: `permission` facts.

EACCES has few causes: a folder on the way, the file's mode or ACL, noexec, or a security module that forbids what all
these allow. The kernel is asked about the first ones once more, with the program's rights, or the modes say that
everybody is let in. A fact is an answer "allowed"; what cannot be asked so that only this is left has none.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.processes import Processes, ProcessLife
from gotrace.capture.facts.refused import asker
from gotrace.capture.facts.wanted import begins_at_cwd, in_words, wanted
from gotrace.elf.interpreter import read_interpreter
from gotrace.events.errno import errno_numbers
from gotrace.events.model import Exec, Fact, KnownEvent, SyscallError
from gotrace.host import modes
from gotrace.host.permissions import Question, Rights, answers, ours

_REFUSED: Final = errno_numbers("EACCES")
_MOST: Final = 16
_LONGEST_SCRIPT_LINE: Final = 256
_CLOCK_TICK_NS: Final = 10_000_000
"""By how much the time of a file's change may be too early (inode timestamps are coarse)."""
_CAP_SETGID, _CAP_SETUID = 6, 7
_GIVEN_BY_A_FILE: Final = "security.capability"


class _Attempt(NamedTuple):
    """One refused call or exec, and what it wanted of which files."""

    event: SyscallError | Exec
    life: ProcessLife
    wanted: str
    questions: list[Question]
    creates: bool


def permission_facts(processes: Processes, events: Sequence[KnownEvent]) -> list[Found]:
    """A `permission` fact for each file that a failed program of this root was kept from though it may have it.

    Call it before there are threads: it forks.
    """
    confinements = {
        event.pid: event.data for event in events if isinstance(event, Fact) and event.name == "confinement"
    }
    found: dict[tuple[int, str, str], Found] = {}
    for attempt in islice(_attempts(processes, events), _MOST):
        event, life = attempt.event, attempt.life
        name, _, (path, *_) = _told(event)
        with suppress(OSError):
            who = _whom_it_allows(attempt, confinements.get(life.pid, {}))
            if who:
                data: dict[str, Any] = {"syscall": name, "wanted": attempt.wanted, "allowed": who, "pid": life.pid}
                data["files"] = [recorded(question.path) for question in attempt.questions]
                found[life.pid, name, path] = Found("permission", path, data, life.pid)
    return list(found.values())


def _attempts(processes: Processes, events: Sequence[KnownEvent]) -> Iterator[_Attempt]:
    """Those of programs that failed, each call and path once, the last ones first."""
    here = {id(life) for life in processes.lives()}
    lives = {life.pid: life for life in processes}
    asked: set[tuple[object, ...]] = set()
    for event in reversed(events):
        life = lives.get(event.pid)
        if not isinstance(event, SyscallError | Exec) or life is None:
            continue
        image = asker(life)
        if image is None or not image.process.failed or id(image.process) not in here:
            continue
        name, error, paths = _told(event)
        if error not in _REFUSED or not paths or (event.pid, name, paths) in asked:
            continue
        asked.add((event.pid, name, paths))
        cwd = real(image.exec.cwd or "")
        attempt = _of_exec(event, life, cwd) if isinstance(event, Exec) else _of_call(event, life, cwd)
        if attempt is not None:
            yield attempt


def _told(event: SyscallError | Exec) -> tuple[str, int, tuple[str, ...]]:
    """Call, error and paths."""
    if isinstance(event, Exec):
        return "execve", event.error, (event.path,)
    return event.syscall, event.errno, event.paths


def _of_exec(event: Exec, life: ProcessLife, cwd: str) -> _Attempt | None:
    """Of a program also its interpreter: a script's, or the loader."""
    path = _absolute(cwd, real(event.path))
    if not path:
        return None
    with suppress(OSError):
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  a folder is refused so, too
            return None
        files = [path, *filter(None, [_absolute(cwd, _interpreter(path))])]
        return _Attempt(event, life, "execute", [Question(file, os.X_OK) for file in files], creates=False)
    return None


def _of_call(call: SyscallError, life: ProcessLife, cwd: str) -> _Attempt | None:
    questions, words, creates = [], "", False
    for one in wanted(call):
        path = _absolute(cwd if begins_at_cwd(call, one.position) else "", real(call.paths[one.position]))
        if not path:
            return None
        there = os.path.lexists(path)
        if one.of_folder or (one.creates and not there):
            questions.append(Question(os.path.dirname(path.rstrip("/")), os.W_OK | os.X_OK))  # noqa: PTH120
            words = words or in_words(one._replace(of_folder=True))
            if call.syscall.startswith("rename") and not one.position and Path(path).is_dir():
                questions.append(Question(path, os.W_OK))  # its entry `..` changes
        else:
            creates = creates or one.creates
            questions.append(Question(path, one.mode))
        words = words or in_words(one)
    return _Attempt(call, life, words, questions, creates) if questions else None


def _whom_it_allows(attempt: _Attempt, confinement: Mapping[str, Any]) -> str:
    """`process` or `everybody`; empty where it is the files that refuse it, or where that is not known.

    Raises:
        OSError: a file is gone.
    """
    at_ns = attempt.event.ts_ns + time.time_ns() - time.monotonic_ns()
    for question in attempt.questions:
        if not modes.is_plain(question) or modes.changed_since(question.path, at_ns - _CLOCK_TICK_NS):
            return ""
    rights = _rights(attempt, confinement)
    if attempt.creates and modes.is_protected(attempt.questions[0].path, rights):
        return ""
    if rights is not None:
        told = answers(rights, attempt.questions)
        if told is not None and set(told) == {"ok"}:
            return "process"
    return "everybody" if all(modes.let_everybody(question) for question in attempt.questions) else ""


def _rights(attempt: _Attempt, confinement: Mapping[str, Any]) -> Rights | None:
    """Those that it had when it was refused; None where they may have been others than those that are known."""
    try:
        capabilities = int(str(confinement["capabilities"]), 16)
        rights = Rights(
            confinement["fsuid"], confinement["fsgid"], tuple(sorted(confinement["groups"])),
            0 if confinement.get("own_users") else capabilities,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return None
    if confinement.get("seen"):
        changeable = capabilities >> _CAP_SETUID & 1 or capabilities >> _CAP_SETGID & 1
        return None if changeable and confinement.get("read_ns", 0) < attempt.event.ts_ns else rights
    capabilities = ours().capabilities
    changeable = capabilities >> _CAP_SETUID & 1 or capabilities >> _CAP_SETGID & 1
    return None if changeable or _got_more_rights(attempt.life) else rights


def _got_more_rights(life: ProcessLife | None) -> bool:
    """Some program of its history has the set-user-ID or set-group-ID bit, or capabilities, or cannot be looked at."""
    while life is not None:
        for image in life.images:
            path = _absolute(real(image.exec.cwd or ""), real(image.exec.path))
            try:
                mode = os.stat(path).st_mode  # noqa: PTH116
            except OSError:
                return True
            if mode & (stat.S_ISUID | stat.S_ISGID) or modes.has_attribute(path, _GIVEN_BY_A_FILE):
                return True
        life = life.parent
    return False


def _interpreter(path: str) -> str:
    """What the kernel starts in place of a file: a script's interpreter, or the loader; empty for none."""
    with Path(path).open("rb") as stream:
        start = stream.read(_LONGEST_SCRIPT_LINE)
    if start.startswith(b"#!"):
        words = start[2:].partition(b"\n")[0].split()
        return os.fsdecode(words[0]) if words else ""
    return read_interpreter(Path(path)) or ""


def _absolute(folder: str, path: str) -> str:
    """Empty where it is relative and nobody knows to what."""
    if not path or not (path.startswith("/") or folder):
        return ""
    path = os.path.join(folder, path)  # noqa: PTH118
    return path if ".." in path.split("/") else os.path.normpath(path)  # the kernel follows links first
