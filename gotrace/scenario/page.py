"""A scenario as a page of Markdown: what `gotrace scenario show` prints and docs/scenarios/ holds."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import PurePath

from gotrace.scenario.model import Act, Environment, EventPattern, Expectation, Scenario

WORK = "$WORK"
_SPECIAL = re.compile(r'[\\"$`]')
"""What means something between double quotes (sh(1))."""
_CHAPTER = re.compile(r"\d+(\.\d+)*")
_LANGUAGES = {".go": "go", ".c": "c", ".h": "c", ".cc": "cpp", ".cpp": "cpp", ".sh": "sh", ".mod": "text"}

Link = Callable[[str], str]
"""Makes a link of a rule's name."""


def plain(rule: str) -> str:
    """A rule's name without a link."""
    return f"`{rule}`"


def page(scenario: Scenario, link: Link = plain) -> str:
    """The whole page; it ends with one newline."""
    parts = [f"# {scenario.id}", f"{prose(scenario.title.rstrip('.'))}.", _summary(scenario, link)]
    parts += [_markdown(scenario.text), *_claim(scenario)]
    for act in scenario.acts:
        parts += _act(act, link)
    parts += ["## Files", *_files(scenario)]
    return "\n\n".join(part.rstrip() for part in parts if part.strip()) + "\n"


def environments_of(scenario: Scenario) -> str:
    """Where its acts run, as in "host" or "chroot:bullseye, host"."""
    return ", ".join(dict.fromkeys(environment_text(act.environment) for act in scenario.acts))


def environment_text(environment: Environment) -> str:
    """As a scenario file may name it: the kind, with the name of what is used where there are several."""
    name = environment.settings.get("name")
    return f"{environment.kind}:{name}" if name else environment.kind


def source_text(source: str) -> str:
    """Where a claim is made; a bare number is a chapter of the article that the scenarios check."""
    return f"the article, chapter {source}" if _CHAPTER.fullmatch(source) else source


def command_text(act: Act) -> str:
    """What the act runs, as it could be typed."""
    if act.printed is not None:
        return f"# the command that gotrace printed, with {act.printed} in it"
    changes = [word for name in act.unset for word in ("-u", name)]
    words = ["env", *map(shlex.quote, changes)] if changes or act.env else []
    words += [f"{name}={_value(text)}" for name, text in act.env.items()]
    return " ".join([*words, *map(shlex.quote, act.command)])


def _value(text: str) -> str:
    """A variable's value for a shell, in which $WORK stays what it is: the act's folder."""
    if WORK not in text:
        return shlex.quote(text)
    parts = [_SPECIAL.sub(r"\\\g<0>", part) for part in text.split(WORK)]
    quoted = parts[0]
    for part in parts[1:]:
        quoted += ("${WORK}" if part[:1] == "_" or part[:1].isalnum() else WORK) + part
    return f'"{quoted}"'


def prose(text: str) -> str:
    """Plain text with code in backticks as Markdown: `<os>` is no tag, `*` no emphasis."""
    return _outside_code(r"[<*]", text)


def _markdown(text: str) -> str:
    """Markdown as it is, but for tags, which a reader would never see: `#include <stdio.h>`."""
    return _outside_code(r"<(?!https?:)", text)


def _outside_code(pattern: str, text: str) -> str:
    """What the pattern matches, with a backslash in front; not in backticks, nor in indented lines."""
    parts = re.split(r"(`[^`]*`|^ {4}.*$)", text, flags=re.MULTILINE)
    return "".join(part if place % 2 else re.sub(pattern, r"\\\g<0>", part) for place, part in enumerate(parts))


def _summary(scenario: Scenario, link: Link) -> str:
    nothing = "none: there is nothing to find" if scenario.reproduce.expect.exit == 0 else "none"
    rows = {
        "finding": link(scenario.rule) if scenario.rule else nothing,
        "environment": environments_of(scenario),
        "needs": ", ".join(f"`{need}`" for need in scenario.requires),
        "reported in": ", ".join(f"<{seed}>" for seed in scenario.seed if seed.startswith("https://")),
    }
    return "\n".join(f"- {name}: {text}" for name, text in rows.items() if text)


def _claim(scenario: Scenario) -> list[str]:
    claim = scenario.claim
    if claim is None:
        return []
    quoted = "\n".join(f"> {line}".rstrip() for line in prose(claim.text).splitlines())
    verdict = f"**{claim.verdict.value.capitalize()}.** {prose(claim.measured)}"
    return ["## What is claimed", quoted, f"Said in {source_text(claim.source)}.", verdict]


def _act(act: Act, link: Link) -> list[str]:
    heading = "Reproduce" if act.name == "reproduce" else act.name.replace("-", " ").capitalize()
    lines = [*act.setup, command_text(act), *act.after]
    return [
        f"## {heading}" + (f": {prose(act.title)}" if act.title else ""),
        _settings(act.environment),
        _fenced("\n".join(lines), "sh"),
        "\n".join(f"- {line}" for line in _expected(act.expect, link)),
    ]


def _files(scenario: Scenario) -> Iterator[str]:
    if scenario.folder is not None:
        yield "Each act starts with what lies beside the scenario's file, and with:"
    if scenario.copied:
        yield f"Each act starts with a copy of {_code(f'scenarios/{scenario.copied}')}:"
    for name, text in scenario.files.items():
        yield f"{_code(name)}:"
        yield _fenced(text, _LANGUAGES.get(PurePath(name).suffix, "text"))


def _settings(environment: Environment) -> str:
    given = ", ".join(f"`{name} = {value!r}`" for name, value in environment.settings.items())
    return f"Runs in the environment `{environment_text(environment)}` ({given})." if given else ""


def _expected(expect: Expectation, link: Link) -> Iterator[str]:
    if expect.signal is not None:
        yield f"killed by {expect.signal}"
    elif expect.exit is not None:
        yield f"exit status {expect.exit}"
    yield f"findings: {', '.join(map(link, expect.findings)) or 'none'}"
    yield from (f"the finding's message matches {_code(text)}" for text in expect.message)
    if expect.source is not None:
        yield f"the line that asked for it matches {_code(expect.source)}"
    yield from (f"it prints what matches {_code(text)}" for text in expect.output)
    yield from (f"it prints nothing that matches {_code(text)}" for text in expect.not_output)
    yield from map(_events, expect.events)


def _events(pattern: EventPattern) -> str:
    fields = " and ".join(f"{name} matching {_code(text)}" for name, text in pattern.fields.items())
    what = f"{pattern.kind} event" + (f" with {fields}" if fields else "")
    if pattern.most is None:
        return f"at least {pattern.least} {what}"
    if pattern.least == pattern.most:
        return f"{'no' if not pattern.most else f'exactly {pattern.most}'} {what}"
    return f"{pattern.least} to {pattern.most} {what}"


def _code(text: str) -> str:
    """Inline code, also of what holds backticks (CommonMark, "Code spans")."""
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    blank = " " if "`" in text else ""
    return f"{ticks}{blank}{text}{blank}{ticks}"


def _fenced(text: str, language: str) -> str:
    ticks = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"
