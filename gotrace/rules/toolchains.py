"""What is known of the compilers that the traced machine has, and of who chose one."""

from __future__ import annotations

import posixpath

from gotrace.trace.model import Build, Trace


def has(trace: Trace, command: str) -> bool | None:
    """Whether PATH has a compiler of this name; None where nobody looked. A program that ran is there."""
    if command in trace.once("programs", lambda: {posixpath.basename(span.exec.path) for span in trace.spans}):
        return True
    fact = trace.fact("toolchain")
    if fact is None or not isinstance(fact.get("compilers"), list):
        return None
    return any(posixpath.basename(str(path)) == command for path in fact["compilers"])


def outside_path(trace: Trace, command: str) -> str | None:
    """A compiler of this name in a usual folder that is not in PATH."""
    fact = trace.fact("toolchain") or {}
    elsewhere = (str(path) for path in fact.get("elsewhere") or ())
    return next((path for path in elsewhere if posixpath.basename(path) == command), None)


def whole_path(trace: Trace, value: str) -> str | None:
    """The compiler's path with blanks in it that an unquoted CC begins with, if there is such a program."""
    fact = trace.fact("toolchain") or {}
    paths = (str(path) for path in fact.get("compilers") or ())
    fitting = [path for path in paths if " " in path and f"{value.strip()} ".startswith(f"{path} ")]
    return max(fitting, key=len, default=None)


def written(trace: Trace, build: Build, name: str) -> bool:
    """This variable has its value from `go env -w`, not from the environment."""
    if name in build.env:
        return False
    pid = build.span.process.pid
    facts = (fact.data for fact in trace.facts_for("goenv", pid))
    return any(name in (data.get("written") or ()) for data in facts)
