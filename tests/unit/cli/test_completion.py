from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Gotrace


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(gotrace: Gotrace, shell: str) -> None:
    done = gotrace("completion", shell)
    assert done.code == 0
    assert f"_GOTRACE_COMPLETE=complete_{shell}" in done.out


def test_an_unknown_shell(gotrace: Gotrace) -> None:
    done = gotrace("completion", "tcsh")
    assert done.code == 2
    assert done.err.startswith(
        "gotrace: error: invalid value for 'shell': 'tcsh' is not one of 'bash', 'zsh', 'fish'\n"
    )


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("gotrace bu", "build"),
        ("gotrace report --form", "--format"),
        ("gotrace completion z", "zsh"),
        ("gotrace explain wrong-t", "wrong-target-compiler"),
        ("gotrace explain GT101", "GT101"),
        ("gotrace scenario show compiler-not", "compiler-not-found"),
        ("gotrace scenario verify compiler-not", "compiler-not-found"),
    ],
)
def test_bash_completes(gotrace: Gotrace, tmp_path: Path, line: str, completed: str) -> None:
    """The script as bash itself runs it, with `gotrace` on the PATH."""
    command = tmp_path / "gotrace"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m gotrace "$@"\n')
    command.chmod(0o755)
    script = gotrace("completion", "bash").out
    words = line.split()
    asked = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _gotrace_completion gotrace; echo ${{COMPREPLY[*]}}"
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(["bash", "-c", script + asked], capture_output=True, text=True, env=environ, check=True)
    assert done.stdout == f"{completed}\n"
