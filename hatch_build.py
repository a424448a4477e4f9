"""Compiles the ptrace source's loop when gotrace is installed; without a C compiler the one in Python is used."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("gotrace/sources/ptrace")


class CompileStops(BuildHookInterface):  # type: ignore[type-arg]
    """stops.c and reads.c become _stops.so, which needs nothing but the C library: it fits every version of Python."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files of a wheel, or of an editable installation, are collected."""
        folder = Path(self.root) / FOLDER
        if not self._compile([folder / "stops.c", folder / "reads.c"], folder / "_stops.so"):
            return
        build_data["artifacts"].append(f"{FOLDER}/_stops.so")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-linux_{platform.machine()}"

    def _compile(self, sources: list[Path], library: Path) -> bool:
        compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
        if sys.platform != "linux" or platform.machine() != "x86_64" or compiler is None:
            self.app.display_warning("stops.c is not compiled: tracing by ptrace will be slower")
            return False
        command = [compiler, "-O2", "-Wall", "-fPIC", "-shared", "-o", f"{library}.new", *map(str, sources)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            self.app.display_warning(f"stops.c cannot be compiled, tracing by ptrace will be slower: {done.stderr}")
            return False
        Path(f"{library}.new").replace(library)
        return True
