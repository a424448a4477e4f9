"""`--install-missing`: says what scenarios lack and which packages would bring it, asks, installs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence

from gotrace.cli.streams import to_stderr
from gotrace.errors import GotraceError, UsageError
from gotrace.reports.escape import safe_line
from gotrace.scenario import requirements, runner
from gotrace.scenario.model import Scenario

_BY_APT = re.compile(r"apt-get install ((?:[a-z0-9][a-z0-9.+:-]*(?: |$))+)")
"""What is said of an environment where a package of the distribution brings what it lacks."""


def offer(scenarios: Sequence[Scenario], *, yes: bool) -> None:
    """List what is missing, and install what packages bring of it once the user (or `yes`) agrees.

    Raises:
        UsageError: there is nobody to ask.
        GotraceError: it could not be installed.
    """
    lacks = sorted({lack for scenario in scenarios for lack in runner.missing(scenario)})
    if not lacks:
        to_stderr("gotrace: nothing is missing\n")
        return
    packages = sorted({*requirements.to_install(lacks), *(name for one in lacks for name in packages_of(one.how))})
    listed = "".join(f"  {safe_line(one.name)}: {safe_line(one.how)}\n" for one in lacks)
    to_stderr(f"gotrace: missing here:\n{listed}")
    if not packages:
        to_stderr("gotrace: no package brings any of it\n")
        return
    command = requirements.install_command(packages)
    to_stderr(f"gotrace: would run: {' '.join(command)}\n")
    if not (yes or _agreed()):
        to_stderr("gotrace: nothing is installed; scenarios that need it are skipped\n")
        return
    _install(command)


def packages_of(how: str) -> list[str]:
    """The packages that an `apt-get install` in the text names."""
    found = _BY_APT.search(how)
    return found[1].split() if found else []


def _agreed() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("--install-missing asks first, and stdin is no terminal", "add --yes to agree beforehand")
    to_stderr("Install? [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _install(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, check=False, stdout=2)  # stdout is for what was asked for: JSON, the table
    except OSError as error:
        raise GotraceError(f"{command[0]} cannot be run: {error.strerror}", "install the packages yourself") from None
    if done.returncode:
        raise GotraceError(
            f"apt-get ended with exit status {done.returncode}; it said why",
            "apt-get update often helps; without --install-missing the scenarios are skipped",
        )
