"""Exit codes, error lines and what the small commands print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gotrace.cli import rules as rules_command
from gotrace.rules import registry
from tests.unit.cli.conftest import Gotrace


def python(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


def test_help_names_every_command(gotrace: Gotrace) -> None:
    done = gotrace("--help")
    assert done.code == 0
    for command in ("build", "report", "doctor", "explain", "rules", "completion"):
        assert f"\n  {command} " in done.out
        assert gotrace(command, "--help").out.startswith(f"Usage: gotrace {command} ")


def test_without_a_command_it_says_how_it_is_used(gotrace: Gotrace) -> None:
    done = gotrace()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("Usage: gotrace ")


def test_version(gotrace: Gotrace) -> None:
    import gotrace as package

    assert gotrace("--version").out == f"gotrace {package.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["biuld"], 2, "no such command 'biuld'"),
        (["report"], 2, "missing argument 'RECORDING'"),
        (["report", "x", "--format", "xml"], 2, "'xml' is not one of 'terminal', 'json'"),
        (["report", "no-such.gotrace"], 2, "Cannot read no-such.gotrace"),
        (["explain", "GT999"], 2, "no rule has the code or name 'GT999'"),
        (["build"], 125, "missing argument 'COMMAND'"),
        (["build", "--bakend", "x"], 125, "no such option: --bakend"),
        (["build", "--backend", "dtrace", "true"], 125, "invalid value for '--backend'"),
        (["build", "--report", "xml:x", "true"], 125, "--report xml:x: the format 'xml' is unknown"),
        (["build", "--report", "json", "true"], 125, "--report json: not of the form FORMAT:PATH"),
        (["build", "--report", "json:", "true"], 125, "--report json:: not of the form FORMAT:PATH"),
        (["build", "-o", "-", "true"], 125, "-o -: a recording goes to a file, not to stdout"),
        (["completion"], 2, "missing argument 'shell'. Choose from: bash, zsh, fish"),
        (["build", "-o", "/no/such/x.gotrace", "true"], 125, "Cannot write /no/such/x.gotrace"),
        (["build", "--report", "json:/no/such/x", "true"], 125, "there is no folder /no/such"),
        (["build", "--report", "json:/", "true"], 125, "/: is a folder"),
    ],
)
def test_bad_input_is_one_clear_line(gotrace: Gotrace, arguments: list[str], code: int, message: str) -> None:
    done = gotrace(*arguments)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("gotrace: error: ")
    assert message in done.err.splitlines()[0]
    assert len(done.err.splitlines()) <= 2
    assert "Traceback" not in done.err


def test_an_unknown_format_comes_with_the_known_ones(gotrace: Gotrace) -> None:
    assert gotrace("build", "--report", "xml:x", "true").err.splitlines()[1] == "  known ones are terminal and json"


def test_a_switch_that_is_neither_on_nor_off(gotrace: Gotrace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTRACE_QUIET", "maybe")
    message = gotrace("build", "true").err.splitlines()[0]
    assert message.endswith("(env var: 'GOTRACE_QUIET'): 'maybe' is neither 1 nor 0")


def test_a_name_that_is_nearly_right_is_suggested(gotrace: Gotrace) -> None:
    assert "did you mean GT101 wrong-target-compiler?" in gotrace("explain", "wrong-target-compilr").err


@pytest.mark.parametrize(
    ("wanted", "suggested"),
    [
        ("GT10", "GT101 wrong-target-compiler, GT102 missing-target-headers or GT103 compiler-not-found"),
        ("101", "GT101 wrong-target-compiler"),
        ("gt100", "GT101 wrong-target-compiler, GT102 missing-target-headers or GT103 compiler-not-found"),
        ("header", "GT201 missing-header"),
    ],
)
def test_codes_and_names_that_may_be_meant_are_suggested(gotrace: Gotrace, wanted: str, suggested: str) -> None:
    done = gotrace("explain", wanted)
    assert done.code == 2
    assert f"no rule has the code or name '{wanted}'; did you mean {suggested}" in done.err


def test_nothing_is_suggested_that_is_not_alike(gotrace: Gotrace) -> None:
    for wanted in ("GT999", "GT", "x"):
        assert gotrace("explain", wanted).err.splitlines()[0].endswith(f"no rule has the code or name '{wanted}'")


def test_explain_tells_all_of_a_rule_by_code_or_name(gotrace: Gotrace) -> None:
    for rule in registry.rules():
        done = gotrace("explain", rule.code.lower())
        assert done.code == 0
        assert done.out.startswith(f"{rule.code} {rule.name} ({rule.severity.value})\n\n")
        for heading in registry.HEADINGS:
            assert f"\n## {heading}\n" in done.out
        assert gotrace("explain", rule.name).out == done.out


def test_rules_lists_them_all(gotrace: Gotrace) -> None:
    assert [line.split()[0] for line in gotrace("rules").out.splitlines()] == [rule.code for rule in registry.rules()]
    listed = json.loads(gotrace("rules", "--json").out)
    assert [one["name"] for one in listed] == [rule.name for rule in registry.rules()]
    assert listed[0].keys() == {"code", "severity", "name", "needs"}


def test_an_unexpected_exception_is_one_line_that_says_where(gotrace: Gotrace, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise KeyError("\x1b[2J")

    monkeypatch.setattr(registry, "rules", broken)
    done = gotrace("rules")
    assert done.code == 2
    assert done.err.startswith("gotrace: error: KeyError: '\\x1b[2J' (at test_app.py:")
    assert "Traceback" not in done.err
    monkeypatch.setenv("GOTRACE_DEBUG", "1")
    assert "Traceback" in gotrace("rules").err


def test_an_interrupt_is_quiet(gotrace: Gotrace, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(registry, "rules", interrupted)
    assert gotrace("rules") == (130, "", "")


@pytest.mark.parametrize("target", ["/dev/full", "closed", "pipe"])
def test_stdout_that_takes_nothing(target: str) -> None:
    command = [sys.executable, "-m", "gotrace", "rules", "--json"]
    if target == "/dev/full":
        with Path(target).open("w") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr == "gotrace: error: No space left on device\n"
    elif target == "closed":
        done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    else:
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
        os.close(write)
        assert (done.returncode, done.stderr) == (141, "")


def test_letters_that_the_encoding_lacks_are_escaped(recording: Path) -> None:
    environ = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "gotrace", "explain", "GT101-…"]
    done = subprocess.run(command, capture_output=True, env=environ, check=False)
    assert done.returncode == 2
    assert b"GT101-\\u2026" in done.stderr


def test_help_and_import_load_nothing_costly() -> None:
    assert rules_command.rules.__doc__
    costly = "{'typing', 'msgspec', 'typer', 'rich', 'pathlib', 'zstandard'}"
    assert (
        python(f"import sys; b = set(sys.modules); import gotrace; print({costly} & (set(sys.modules) - b))")
        == "set()\n"
    )
    loaded = python(
        "import sys; from gotrace.cli.app import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print({'rich', 'msgspec', 'gotrace.rules', 'gotrace.capture'} & sys.modules.keys())"
    )
    assert loaded.endswith("set()\n")


def test_the_librarys_names_are_there() -> None:
    import gotrace as package

    assert {"record", "load", "diagnose", "Trace", "Finding", "Diagnosis"} <= set(dir(package))
    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'reccord'"):
        _ = package.reccord
