"""What an environment is to the runner, and what all kinds share: settings that are checked, a look at what works."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import msgspec

from gotrace.scenario.loader import ScenarioError
from gotrace.scenario.plan import Plan

_PATIENCE_S: Final = 30
_SIZE: Final = re.compile(r"(\d+)([kmg]?)", re.IGNORECASE)
_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SWITCHES: Final = (
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "10000"),
)
"""Below /proc/sys: the switch of Debian's and of Ubuntu's kernels, that of all; what forbids, what allows."""

Settings = Mapping[str, Any]
_T = TypeVar("_T", bound=msgspec.Struct)


class Space(Protocol):
    """A kind of environment."""

    kind: str
    around_command: bool
    """Only the traced command can run inside; gotrace, and lines of the shell, run outside of it."""

    def lacks(self, settings: Settings) -> list[str]:
        """What this machine lacks for it, each a sentence that says how to get it.

        Raises:
            ScenarioError: the settings are none of this kind.
        """
        ...

    def plan(self, settings: Settings, work: Path) -> Plan:
        """What is done for a program so that it runs inside, as the same user; `work` is the act's folder.

        Each program is in an environment of its own: what one wrote into a `tmpfs` is not there for the next.

        Raises:
            ScenarioError: the settings are none of this kind, or what has to be made first cannot be made.
        """
        ...


@runtime_checkable
class LastingSpace(Space, Protocol):
    """A kind in which all programs of an act are together: what one of them changed is there for the next."""

    def opened(
        self, settings: Settings, work: Path, env: Mapping[str, str], printed: Callable[[str], Sequence[str]]
    ) -> AbstractContextManager[Plan]:
        """Set it up; inside this context, the plan by which a program is in it, started as root.

        Args:
            settings: as for `prefix`.
            work: the act's folder.
            env: the environment in which variables in paths are looked up.
            printed: gives the command of a fix that gotrace printed, the first whose text holds the argument.

        Raises:
            ScenarioError: the settings are none of this kind, or it cannot be set up.
        """
        ...


def checked(kind: str, settings: Settings, form: type[_T]) -> _T:
    """The settings as `form` has them.

    Raises:
        ScenarioError: one is unknown, missing or of another type.
    """
    try:
        return msgspec.convert(dict(settings), form)
    except msgspec.ValidationError as error:
        names = ", ".join(form.__struct_fields__) or "none"
        raise ScenarioError(f"environment {kind}: {error}", f"its settings: {names}") from None


def size(kind: str, name: str, given: str | int) -> int:
    """A size in bytes: a number, or a text such as "300k", "1m", "2g".

    Raises:
        ScenarioError: it is none.
    """
    found = _SIZE.fullmatch(str(given))
    if found is None:
        raise ScenarioError(f'environment {kind}: {name}: {given!r} is no size, as "300k" and "1m" are')
    return int(found[1]) * _UNITS[found[2].lower()]


def lacks_for(*, network: bool = False, overlay: bool = False) -> list[str]:
    """What is missing for namespaces and mounts, found out by trying; empty where all works."""
    reason = _tried(network, overlay)
    if not reason:
        return []
    return [f"needs root or user namespaces: {reason.partition('cannot be set up: ')[2] or reason}{_advice()}"]


@cache
def _tried(network: bool, overlay: bool) -> str:
    """Empty, or why it failed."""
    plan = Plan(mount=True, network=network, tmpfs={"/sys": 1 << 20}, hide=["/etc/passwd"] if overlay else [])
    try:
        done = subprocess.run(
            [*plan.program(), "true"], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"


def _advice(proc_sys: Path = Path("/proc/sys")) -> str:
    """Which switch of the kernel forbids user namespaces, as the command that changes it."""
    for name, forbids, allows in _SWITCHES:
        try:
            value = (proc_sys / name).read_text().strip()
        except OSError:
            continue
        if value == forbids:
            return f" (sysctl {name.replace('/', '.')}={allows} allows them)"
    return ""
