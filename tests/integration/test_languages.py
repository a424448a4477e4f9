"""Failures whose tools speak another language than English: the same is found, and the same commands mend it.

Each failure is reproduced in English and in other languages, with the tools' own catalogues. ptrace sees fewer calls
than eBPF and so is left with a tool's words more often: it is the source that counts here.

Most scenarios fail in a preamble, and cgo has the C compiler speak English for itself. What the go command and the
linker run speaks the user's language: two more failures are in C files.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from gotrace.scenario import runner
from gotrace.scenario.loader import catalogue, load
from gotrace.scenario.model import Scenario
from gotrace.scenario.result import Status

ENGLISH = "C"
GERMAN, FRENCH = "de_DE.UTF-8", "fr_FR.UTF-8"
"""gcc speaks both in full, ld hardly any German."""

DECIDED_BY_WORDS = {
    "cpp-runtime-missing",
    "disk-full",
    "glibc-headers-in-musl-build",
    "host-libraries-in-cross-build",
    "link-order",
    "missing-header",
    "missing-library",
    "missing-static-library",
    "multiple-definition",
    "not-position-independent",
}
"""Rules that read what a C tool says: they are compared with English word by word, and in French too."""

CALLS_C = 'package main\n\n// int f(void);\nimport "C"\n\nfunc main() { println(C.f()) }\n'
HEADER_IN_C_FILE = f"""
title = "A C file of a package includes a header that is not there"
rule = "missing-header"
[files]
"main.go" = '''{CALLS_C}'''
"f.c" = "#include <foo/foo.h>\\nint f(void) {{ return FOO; }}\\n"
[reproduce]
env = {{ CGO_ENABLED = "1" }}
command = ["go", "build", "-o", "app", "."]
[[fix]]
command = ["true"]
"""
FULL_DISK_OF_C_COMPILER = f"""
title = "The C compiler has no room for its temporary file"
rule = "disk-full"
environment = {{ kind = "mount", tmpfs = {{ "$WORK/tmp" = "64k" }} }}
[files]
"main.go" = '''{CALLS_C}'''
"f.c" = '''
#define A 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29,
#define B A A A A A A A A A A A A
#define C B B B B B B B B B B B B
char many[] = {{ C C C C C C C C C C C C }};
int f(void) {{ return many[0]; }}
'''
[reproduce]
env = {{ CGO_ENABLED = "1", TMPDIR = "$WORK/tmp", GOTMPDIR = "$WORK" }}
command = ["go", "build", "-o", "app", "."]
[[fix]]
command = ["true"]
"""


class Found(NamedTuple):
    """What a user is told of one failure, and what the command printed."""

    findings: list[tuple[str, float]]
    """Name and confidence, root cause first."""
    commands: list[list[str]]
    why: list[str]
    """Where it is not as the scenario says."""
    printed: str


FAILURES = [one for one in catalogue() if not one.healthy]
BY_WORDS = [one for one in FAILURES if one.rule in DECIDED_BY_WORDS]
OTHERS = (one for one in FAILURES if one.rule not in DECIDED_BY_WORDS)
ONE_OF_EACH_OTHER_RULE = list({one.rule: one for one in OTHERS}.values())


@pytest.fixture(scope="module", autouse=True)
def _both_languages() -> None:
    for language in (GERMAN, FRENCH):
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": language}
        gcc = subprocess.run(["gcc"], env=env, capture_output=True, text=True, check=False, timeout=60)
        if "no input files" in gcc.stderr:
            pytest.skip(f"gcc speaks English in {language}; `make setup` installs that language")


def found_in(language: str, scenario: Scenario, folder: Path) -> Found:
    """Reproduce the failure with tools that speak this language; what gotrace says of it has to be as ever."""
    told = scenario.reproduce
    act = replace(
        told,
        env=MappingProxyType({**told.env, "LC_ALL": language}),
        expect=replace(told.expect, output=(), not_output=(), events=()),
    )
    result = runner.run(replace(scenario, reproduce=act, fixes=()), "ptrace", keep=folder / language)
    if result.status is Status.SKIPPED:
        pytest.skip(result.why)
    (kept,) = (folder / language).iterdir()
    findings: list[dict[str, Any]] = json.loads((kept / "recordings/reproduce.json").read_text())["findings"]
    return Found(
        [(finding["name"], finding["confidence"]) for finding in findings],
        [without_folders(fix["command"]) for finding in findings for fix in finding["fix"] if fix["command"]],
        [why for act in result.acts for why in act.why],
        (kept / "reproduce.printed").read_text(errors="replace"),
    )


def without_folders(command: Sequence[str]) -> list[str]:
    """The folder of a scenario has another name in each run."""
    return [re.sub(r"/[^ ]*/gotrace-[\w-]+/reproduce\b", "WORK", word) for word in command]


def is_the_same_in(scenario: Scenario, folder: Path, *languages: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        english, *others = pool.map(lambda language: found_in(language, scenario, folder), (ENGLISH, *languages))
    assert english.why == [], english.printed
    for other in others:
        assert other.why == [], other.printed
        assert (other.findings, other.commands) == (english.findings, english.commands)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", BY_WORDS, ids=lambda one: one.id)
def test_words_in_another_language_are_understood(scenario: Scenario, tmp_path: Path) -> None:
    is_the_same_in(scenario, tmp_path, GERMAN, FRENCH)


@pytest.mark.slow
@pytest.mark.parametrize("text", [HEADER_IN_C_FILE, FULL_DISK_OF_C_COMPILER], ids=["header", "full-disk"])
def test_what_the_compiler_says_of_a_c_file_is_understood(text: str, tmp_path: Path) -> None:
    file = tmp_path / "in-a-c-file.toml"
    file.write_text(text)
    is_the_same_in(load(file), tmp_path, GERMAN, FRENCH)


@pytest.mark.slow
@pytest.mark.parametrize("scenario", ONE_OF_EACH_OTHER_RULE, ids=lambda one: one.id)
def test_words_do_not_decide(scenario: Scenario, tmp_path: Path) -> None:
    """gotrace says what the scenario expects of it in English, and prints the commands that its fixes take."""
    german = found_in(GERMAN, scenario, tmp_path)
    assert german.why == [], german.printed
    commands = [" ".join(command) for command in german.commands]
    for printed in (fix.printed for fix in scenario.fixes if fix.printed):
        assert any(printed in command for command in commands)
