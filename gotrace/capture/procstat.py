"""How a process is and whose child it is, by /proc/PID/stat (proc(5))."""

from __future__ import annotations


def state(pid: int) -> str:
    """The state letter of a process (T is stopped, Z a zombie; proc(5)), or "" where there is no such process."""
    return _stat(pid)[0]


def parent(pid: int) -> int:
    """The process that started it, or that took it over; 0 where there is no such process."""
    return _stat(pid)[1]


def descends(pid: int, ancestor: int) -> bool:
    """Whether `pid` is `ancestor` or one of its living descendants."""
    while pid > 1:
        if pid == ancestor:
            return True
        pid = parent(pid)
    return False


def _stat(pid: int) -> tuple[str, int]:
    """State letter and parent from /proc/PID/stat; ("", 0) where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:  # noqa: PTH123  a forked child should do as little as it can
            letter, above = stream.read().rpartition(b")")[2].split()[:2]
    except (OSError, ValueError):
        return "", 0
    return letter.decode(), int(above)
