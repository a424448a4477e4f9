"""What a gatherer hands back, before it becomes an event; and how real names become recorded text and back."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gotrace.capture.facts.asker import NoAnswerError
from gotrace.capture.masks import mask_text
from gotrace.events.text import printable, to_bytes


@dataclass(frozen=True, slots=True)
class Found:
    """One fact: its sort, the thing it is about, the rest, and the process that it stands for (0: none)."""

    name: str
    subject: str
    data: dict[str, Any] = field(default_factory=dict)
    pid: int = 0


def unanswered(about: str, question: Sequence[str], error: NoAnswerError | OSError | ValueError, pid: int = 0) -> Found:
    """The fact that something could not be learned: what was asked, for which sort of fact, and why it failed."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    subject = mask_text(recorded(shlex.join(question)))
    return Found("probe_failed", subject, {"about": about, "reason": mask_text(recorded(reason))}, pid)


def recorded(text: str) -> str:
    """A name of the file system (as Python has it) in the form that events use."""
    return printable(os.fsencode(text))


def real(text: str) -> str:
    """The other way round: a text of an event as Python's file functions want it."""
    return os.fsdecode(to_bytes(text))


def noexec_mount(path: str) -> str:
    """The folder on which the file system of a file is mounted, where that forbids execution; else empty.

    Raises:
        OSError: there is no such file.
    """
    if not os.statvfs(path).f_flag & os.ST_NOEXEC:
        return ""
    folder = os.path.realpath(path)
    while not os.path.ismount(folder):
        above = os.path.dirname(folder)  # noqa: PTH120
        if not os.statvfs(above).f_flag & os.ST_NOEXEC:  # a bind mount of the same file system
            break
        folder = above
    return folder
