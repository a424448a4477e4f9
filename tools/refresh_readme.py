"""Runs the README's example build under gotrace and pastes what it printed between the README's markers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BEGIN = "<!-- finding:begin (written by make docs) -->"
END = "<!-- finding:end -->"
SHOWN = "GOARCH=arm64 CGO_ENABLED=1 gotrace build -- go build ."


def printed() -> str:
    """What the example prints: the go command's own first lines, then gotrace's report."""
    with tempfile.TemporaryDirectory() as cache:
        env = os.environ | {
            "GOARCH": "arm64",
            "CGO_ENABLED": "1",
            "GOCACHE": cache,
            "COLUMNS": "96",
            "LC_ALL": "C.UTF-8",
        }
        privileges = [] if os.geteuid() == 0 else ["--sudo"]
        command = [str(Path(sys.executable).parent / "gotrace"), "build", *privileges, "--", "go", "build", "."]
        done = subprocess.run(
            command, cwd=ROOT / "examples/cross-cgo", env=env, capture_output=True, text=True, check=False
        )
        subprocess.run(["chmod", "-R", "u+w", cache], check=True)
    compiler_says, _, report = done.stderr.partition("gotrace: ")
    if not report.startswith("error GT101"):
        raise SystemExit(f"the example is not diagnosed any more:\n{done.stderr}")
    first = compiler_says.splitlines()[:3]
    rest = len(compiler_says.splitlines()) - len(first)
    return "\n".join([*first, f"... {rest} more lines of the assembler ...", f"gotrace: {report.rstrip()}"])


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
