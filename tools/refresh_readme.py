"""Runs the README's example, a program of a scenario, under gotrace and pastes its report between the markers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gotrace.resources import scenarios_dir
from gotrace.scenario.loader import load

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN = "<!-- finding:begin (written by make docs) -->"
END = "<!-- finding:end -->"
SCENARIO = "ssl-library-init-null"
SHOWN = "gotrace run -- ./app"
_FIRST_LINES = 3


def printed() -> str:
    """What the example prints: the first lines of Go's own traceback, then gotrace's report."""
    scenario = load(scenarios_dir() / f"{SCENARIO}.toml")
    env = os.environ | {"CGO_ENABLED": "1", "COLUMNS": "96", "LC_ALL": "C.UTF-8"}
    with tempfile.TemporaryDirectory() as folder:
        for name, text in scenario.files.items():
            Path(folder, name).write_text(text)
        subprocess.run(["go", "build", "-o", "app", "."], cwd=folder, env=env, check=True)
        privileges = [] if os.geteuid() == 0 else ["--sudo"]
        command = [str(Path(sys.executable).parent / "gotrace"), "run", *privileges, "--", "./app"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    go_says, _, report = done.stderr.partition("gotrace: ")
    if not report.startswith("error GT301"):
        raise SystemExit(f"the example is not diagnosed any more:\n{done.stderr}")
    lines = go_says.splitlines()
    rest = f"... {len(lines) - _FIRST_LINES} more lines of Go's own traceback ..."
    return "\n".join([*lines[:_FIRST_LINES], rest, f"gotrace: {report.rstrip()}".replace(folder, "/src")])


def main() -> None:
    """Rewrite the README."""
    text = README.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{README} has no markers {BEGIN} and {END}")
    README.write_text(f"{before}{BEGIN}\n```text\n$ {SHOWN}\n{printed()}\n```\n{END}{after}")


if __name__ == "__main__":
    main()
