"""Reads scenario files (TOML); what is wrong with one is one clear error that names file and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args

import msgspec

from gotrace.errors import GotraceError
from gotrace.events.model import KnownEvent
from gotrace.events.signals import SIGNALS
from gotrace.resources import scenarios_dir
from gotrace.scenario.model import Act, Claim, Environment, EventPattern, Expectation, Scenario, Tool, Verdict

FILE_NAME: Final = "scenario.toml"
"""Of a scenario that is a folder."""
_BUILT: Final = "bin"
"""What recipes build into: not copied, so that a recipe can be tried where it lies."""
_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KINDS: Final = tuple(str(kind.__struct_config__.tag) for kind in get_args(KnownEvent))
_GO_MOD: Final = "module scenario\n\ngo 1.21\n"


class ScenarioError(GotraceError):
    """A scenario file that cannot be used."""


class _Pattern(msgspec.Struct, forbid_unknown_fields=True, rename={"least": "min", "most": "max"}):
    kind: str
    least: int = 1
    most: int | None = None
    path: str | None = None
    argv: str | None = None
    paths: str | None = None
    syscall: str | None = None
    errno: str | None = None
    text: str | None = None
    status: str | None = None
    signal: str | None = None
    shown: str | None = None


class _Act(msgspec.Struct, forbid_unknown_fields=True):
    title: str = ""
    tool: Tool | None = None
    command: list[str] = []
    printed: str | None = None
    env: dict[str, str] = {}
    unset: list[str] = []
    setup: list[str] = []
    after: list[str] = []
    environment: str | dict[str, Any] | None = None
    exit: int | None = None
    signal: str | None = None
    output: list[str] = []
    not_output: list[str] = []
    findings: list[str] | None = None
    message: list[str] = []
    source: str | None = None
    events: list[_Pattern] = []


class _Claim(msgspec.Struct, forbid_unknown_fields=True):
    source: str
    text: str
    verdict: Verdict
    measured: str


class _File(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    reproduce: _Act
    text: str = ""
    rule: str | None = None
    tags: list[str] = []
    seed: list[str] = []
    requires: list[str] = []
    environment: str | dict[str, Any] = "host"
    tool: Tool = Tool.BUILD
    claim: _Claim | None = None
    copy: str = ""
    files: dict[str, str] = {}
    fix: list[_Act] = []


def load(path: Path) -> Scenario:
    """The scenario in a file, or in a folder that holds a scenario.toml.

    Raises:
        ScenarioError: it cannot be read, or is not as it should be.
    """
    file = path / FILE_NAME if path.is_dir() else path
    name = file.parent.name if file.name == FILE_NAME else file.stem
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
        parsed = msgspec.convert(raw, _File)
    except OSError as error:
        raise ScenarioError(f"{file}: {error.strerror}", "gotrace scenario list shows those there are") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{file}: no TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{file}: {error}", "gotrace scenario new ID writes one to start from") from None
    return _scenario(file, name, parsed)


def catalogue(folder: Path | None = None) -> list[Scenario]:
    """All scenarios of a folder, by id; of gotrace's own where none is given.

    Raises:
        ScenarioError: one of them cannot be used.
    """
    where = scenarios_dir() if folder is None else folder
    found = [*where.glob("*.toml"), *(path.parent for path in where.glob(f"*/{FILE_NAME}"))]
    return sorted(map(load, found), key=lambda scenario: scenario.id)


def _scenario(file: Path, name: str, parsed: _File) -> Scenario:
    if not _ID.fullmatch(name):
        raise ScenarioError(f"{file}: an id is made of lower-case words and hyphens, as in missing-header")
    for path in parsed.files:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise ScenarioError(f"{file}: files: {path!r} is not below the scenario's folder")
    copied = _copied(file, parsed.copy) if parsed.copy else {}
    first = [] if parsed.rule is None else [parsed.rule]
    usual = parsed.tool, _environment(parsed.environment)
    scenario = Scenario(
        id=name,
        title=parsed.title,
        rule=parsed.rule,
        text=parsed.text.strip(),
        tags=tuple(parsed.tags),
        seed=tuple(parsed.seed),
        requires=tuple(parsed.requires),
        files=MappingProxyType({"go.mod": _GO_MOD} | copied | parsed.files),
        copied=parsed.copy,
        folder=file.parent if file.name == FILE_NAME else None,
        claim=_claim(parsed.claim),
        reproduce=_act(file, "reproduce", parsed.reproduce, usual, first),
        fixes=tuple(_act(file, f"fix-{place}", act, usual, []) for place, act in enumerate(parsed.fix, 1)),
        path=file,
    )
    if scenario.rule is not None and not scenario.fixes:
        raise ScenarioError(f"{file}: a failure without a fix that works is not accepted: add [[fix]]")
    return scenario


def _copied(file: Path, name: str) -> dict[str, str]:
    """The texts of a folder beside the scenario's file, by their paths in it."""
    parts, folder = Path(name).parts, file.parent / name
    if not parts or Path(name).is_absolute() or ".." in parts or not folder.is_dir():
        raise ScenarioError(f"{file}: copy: {name!r} is no folder beside this file")
    texts = {}
    for one in sorted(path for path in folder.rglob("*") if path.is_file()):
        if _BUILT in one.relative_to(folder).parts:
            continue
        try:
            texts[str(one.relative_to(folder))] = one.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ScenarioError(f"{file}: copy: {one} is no text that can be read: {error}") from None
    return texts


def _claim(claim: _Claim | None) -> Claim | None:
    if claim is None:
        return None
    return Claim(claim.source, claim.text.strip(), claim.verdict, claim.measured.strip())


def _act(file: Path, name: str, act: _Act, usual: tuple[Tool, Environment], findings: list[str]) -> Act:
    if bool(act.command) == (act.printed is not None):
        raise ScenarioError(f"{file}: {name}: one of `command` and `printed` says what is run")
    if act.printed is not None and name == "reproduce":
        raise ScenarioError(f"{file}: {name}: nothing was printed yet; give its `command`")
    environment = usual[1] if act.environment is None else _environment(act.environment)
    if environment.settings.get("install") == "printed" and name == "reproduce":
        raise ScenarioError(f"{file}: {name}: nothing was printed yet; only a fix can have it installed")
    if act.signal is not None and act.signal not in SIGNALS.values():
        raise ScenarioError(f"{file}: {name}: {act.signal!r} is no signal's name, as SIGKILL is")
    _check_expressions(file, name, [*act.output, *act.not_output, *act.message, act.source or ""])
    default = None if act.signal else 0 if name != "reproduce" or not findings else 1
    return Act(
        name=name,
        title=act.title,
        tool=usual[0] if act.tool is None else act.tool,
        command=tuple(act.command),
        printed=act.printed,
        env=MappingProxyType(act.env),
        unset=tuple(act.unset),
        setup=tuple(act.setup),
        after=tuple(act.after),
        environment=environment,
        expect=Expectation(
            exit=default if act.exit is None else act.exit,
            signal=act.signal,
            output=tuple(act.output),
            not_output=tuple(act.not_output),
            findings=tuple(findings if act.findings is None else act.findings),
            message=tuple(act.message),
            source=act.source,
            events=tuple(_pattern(file, name, one) for one in act.events),
        ),
    )


def _pattern(file: Path, act: str, pattern: _Pattern) -> EventPattern:
    fields = {
        name: value
        for name in pattern.__struct_fields__
        if name not in ("kind", "least", "most") and (value := getattr(pattern, name)) is not None
    }
    _check_expressions(file, act, fields.values())
    if pattern.kind not in _KINDS:
        raise ScenarioError(
            f"{file}: {act}: no event is of kind {pattern.kind!r}; those there are: {', '.join(_KINDS)}"
        )
    return EventPattern(pattern.kind, MappingProxyType(fields), pattern.least, pattern.most)


def _check_expressions(file: Path, act: str, expressions: Iterable[str]) -> None:
    for one in expressions:
        try:
            re.compile(one)
        except re.error as error:
            raise ScenarioError(f"{file}: {act}: {one!r} is no regular expression: {error}") from None


def _environment(given: str | Mapping[str, Any]) -> Environment:
    if isinstance(given, str):
        kind, _, rest = given.partition(":")
        return Environment(kind, MappingProxyType({"name": rest} if rest else {}))
    settings = dict(given)
    return Environment(str(settings.pop("kind", "host")), MappingProxyType(settings))
