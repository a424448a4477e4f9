"""Performs one act: a fresh folder, untraced preparation, the traced command, untraced checks."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from gotrace.capture.privileges import Invoker, environment
from gotrace.errors import GotraceError
from gotrace.events.recording import read_recording
from gotrace.scenario import enter, warm
from gotrace.scenario.environments import LastingSpace, space
from gotrace.scenario.expect import Seen, shortfalls
from gotrace.scenario.model import Act, Scenario
from gotrace.scenario.plan import Plan, without_entering
from gotrace.scenario.privileged import collector
from gotrace.scenario.result import DIAGNOSIS, ActResult

_PATIENCE_S: Final = 600.0
_NOT_INHERITED: Final = re.compile(
    r"CC|CXX|AR|LD|PKG_CONFIG(_.*)?|CGO_.*|GO(?!PATH$|ROOT$).*|CCACHE_.*|LC_.*|LANG(UAGE)?|MAKEFLAGS"
)
"""Variables of the caller that would make a scenario mean something else on another machine."""
_DEFAULTS: Final = {
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
    "GOTELEMETRY": "off",
    "GOSUMDB": "off",
    "GOENV": "off",
    "LC_ALL": "C",
}
_OWN_WORDS: Final = re.compile(r"^gotrace: ", re.MULTILINE)
"""Where gotrace's report begins, after all that the command printed."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where acts are performed: the scenario's folder, how it is watched, and the build cache that all share."""

    folder: Path
    backend: str
    cache: Path
    recordings: Path
    who: Invoker | None = None
    """Whose command it is, where gotrace was called through sudo."""
    sudo: bool = False
    """Whether the privileged part of eBPF is started through sudo."""


class ActError(Exception):
    """The act cannot be performed as the file says; the text is the reason."""


def perform(scenario: Scenario, act: Act, stage: Stage, printed: Sequence[Mapping[str, Any]]) -> ActResult:
    """Do it, and compare what came of it with what is expected. `printed`: the fixes of the reproduction's finding."""
    started = time.monotonic()
    command: tuple[str, ...] = act.command
    try:
        command = act.command or _printed(printed, act.printed or "")
        work = _fresh_folder(scenario, act, stage)
        seen = _Run(act, command, work, stage).whole(partial(_printed, printed))
    except (ActError, GotraceError, OSError, subprocess.SubprocessError) as error:
        return ActResult(act.name, act.title, command, time.monotonic() - started, (str(error),), diagnosed=False)
    why = tuple(shortfalls(act.expect, seen))
    recording = stage.recordings / f"{act.name}.gotrace"
    return ActResult(
        act.name,
        act.title,
        command,
        time.monotonic() - started,
        why,
        seen.findings,
        not any(one.startswith(DIAGNOSIS) for one in why),
        recording if recording.exists() else None,
    )


def report_of(stage: Stage, act: Act) -> dict[str, Any]:
    """The JSON report that gotrace wrote in an act; empty where there is none."""
    try:
        return dict(msgspec.json.decode((stage.recordings / f"{act.name}.json").read_bytes()))
    except (OSError, msgspec.MsgspecError):
        return {}


def _printed(fixes: Sequence[Mapping[str, Any]], holding: str) -> tuple[str, ...]:
    commands = [tuple(without_entering(fix["command"])) for fix in fixes if fix["command"]]
    for command in commands:
        if holding in " ".join(command):
            return command
    told = "; ".join(" ".join(command) for command in commands) or "none"
    raise ActError(f"gotrace printed no command with {holding!r}, but: {told}")


def _fresh_folder(scenario: Scenario, act: Act, stage: Stage) -> Path:
    work = stage.folder / act.name
    if scenario.folder is not None:
        shutil.copytree(scenario.folder, work, ignore=shutil.ignore_patterns("scenario.toml"))
    work.mkdir(exist_ok=True)
    for name, text in scenario.files.items():
        if name == "go.mod" and (work / name).exists():
            continue
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    if stage.who is not None:
        give(work, stage.who)
    return work


def give(folder: Path, who: Invoker) -> None:
    """Make a folder of ours, with all in it, the user's; itself last, so that nobody else can change it meanwhile."""
    for path in (*folder.rglob("*"), folder):
        os.chown(path, who.uid, who.gid, follow_symlinks=False)


class _Run:
    """One act on its way."""

    def __init__(self, act: Act, command: Sequence[str], work: Path, stage: Stage) -> None:
        self._act, self._command, self._work, self._stage = act, command, work, stage
        self._space = space(act.environment.kind)
        self._plan = Plan()
        self._plan_of_who: Plan | None = None
        """Where only root can go in: by which the invoking user's program is inside, started as root."""
        self._env = self._environment()

    def whole(self, printed: Callable[[str], Sequence[str]]) -> Seen:
        """Prepare, run, check. `printed` gives a command that gotrace printed before."""
        settings = self._act.environment.settings
        if not isinstance(self._space, LastingSpace):
            self._plan = self._space.plan(settings, self._work)
            return self._inside()
        with self._space.opened(settings, self._work, self._env | {"PATH": os.environ["PATH"]}, printed) as plan:
            name = "" if self._stage.who is None else self._stage.who.name
            self._plan, self._plan_of_who = plan, msgspec.structs.replace(plan, user=name)
            return self._inside()

    def _inside(self) -> Seen:
        self._untraced("setup", self._act.setup)
        exit_code, killed_by, output = self._traced()
        output += self._untraced("after", self._act.after)
        report = report_of(self._stage, self._act)
        recording = self._stage.recordings / f"{self._act.name}.gotrace"
        events = read_recording(recording).events if self._act.expect.events and recording.exists() else []
        return Seen(exit_code, killed_by, output, report, events)

    def _environment(self) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not _NOT_INHERITED.fullmatch(name)}
        env |= _DEFAULTS | {"GOCACHE": str(self._stage.cache), "WORK": str(self._work), "PWD": str(self._work)}
        env |= {name: value.replace("$WORK", str(self._work)) for name, value in self._act.env.items()}
        return {name: value for name, value in env.items() if name not in self._act.unset}

    def _as_who(self, env: Mapping[str, str]) -> dict[str, Any]:
        """How a program is started as the invoking user; gotrace itself becomes that user by itself."""
        who = self._stage.who
        if who is None:
            return {"env": env}
        if self._plan_of_who is not None:
            return {"env": environment(who, env)}
        groups = os.getgrouplist(who.name, who.gid)
        return {"env": environment(who, env), "user": who.uid, "group": who.gid, "extra_groups": groups}

    def _untraced(self, what: str, lines: Sequence[str]) -> str:
        if not lines:
            return ""
        plan = Plan() if self._space.around_command else self._plan_of_who or self._plan
        done = subprocess.run(
            [*plan.program(), "sh", "-e", "-c", "\n".join(lines)],
            cwd=self._work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE_S,
            check=False,
            **self._as_who(self._env | {"PATH": os.environ["PATH"]}),
        )
        printed: str = done.stdout.decode(errors="backslashreplace")
        if done.returncode:
            raise ActError(f"{what}: exit status {done.returncode}: {printed[-400:].strip()}")
        return printed

    def _traced(self) -> tuple[int | None, int | None, str]:
        """Exit status or signal of the command, and what it printed."""
        files = self._stage.recordings / self._act.name
        arguments = [self._act.tool.value, "--no-color", "--backend", self._stage.backend]
        arguments += ["--sudo"] if self._stage.sudo else []
        arguments += ["--report", f"json:{files}.json", "-o", f"{files}.gotrace", "--"]
        arguments += [*(self._plan.program() if self._space.around_command else ()), *self._command]
        printed = self._work.parent / f"{self._act.name}.printed"
        with printed.open("wb") as stream:
            code = self._gotrace(arguments, stream)
        text = printed.read_bytes().decode(errors="backslashreplace")
        own = _OWN_WORDS.search(text)
        if code == 125 and not Path(f"{files}.json").exists():
            raise ActError(f"gotrace failed: {text[-400:].strip()}")
        text = text[: own.start()] if own else text
        if code < 0:
            return None, signal.Signals(-code).value, text
        return code, None, text

    def _gotrace(self, arguments: Sequence[str], stream: IO[bytes]) -> int:
        """Run it where the act is performed; its exit status, or -N for signal N."""
        plan = Plan() if self._space.around_command else self._plan
        if enter.by_itself(plan) and self._stage.who is None and not self._stage.sudo:
            return warm.run(
                arguments,
                plan=plan, folder=self._work, env=self._env, output=stream.fileno(), seconds=_PATIENCE_S,
            )  # fmt: skip
        with collector(wanted=self._stage.sudo) as given:
            done = subprocess.run(
                [*plan.program(), sys.executable, "-m", "gotrace", *arguments],
                cwd=self._work, env=self._env | given["variables"], pass_fds=given["pass_fds"],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, timeout=_PATIENCE_S, check=False,
            )  # fmt: skip
        return done.returncode
