"""What Python itself adds to the environment in the C locale does not reach the traced command."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from gotrace.cli import environment


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"PATH": "/bin"}, {"PATH": "/bin"}),
        ({"PATH": "/bin", "LC_CTYPE": "POSIX"}, {"PATH": "/bin", "LC_CTYPE": "POSIX"}),
        ({}, {}),
    ],
)
def test_only_what_the_user_gave_is_left(given: dict[str, str], left: dict[str, str]) -> None:
    now = {**given, "LC_CTYPE": "C.UTF-8"}
    environment.restore(now, given)
    assert now == left


@pytest.mark.parametrize(
    "variables", [{}, {"LC_ALL": "C"}, {"LANG": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LC_CTYPE": "POSIX"}]
)
def test_a_child_of_pythons_has_the_environment_that_python_had(variables: dict[str, str]) -> None:
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    text = "import os; from gotrace.cli import environment; environment.restore(); os.execvp('env', ['env'])"
    made = subprocess.run([sys.executable, "-c", text], env=given, capture_output=True, text=True, check=True)
    assert dict(line.split("=", 1) for line in made.stdout.splitlines()) == given
