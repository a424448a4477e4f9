"""Go programs that tell where their own code is, built in the ways that differ in the file."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from gotrace.scenario.runner import build_cache

_WHERE = """\
package main

import (
	"fmt"
	"os"
	"runtime"
)

//go:noinline
func (p *Place) Deep(n int) {
	if n > 0 {
		p.Deep(n - 1)
		return
	}
	pcs := make([]uintptr, 16)
	for _, pc := range pcs[:runtime.Callers(1, pcs)] {
		f := runtime.FuncForPC(pc - 1)
		file, line := f.FileLine(pc - 1)
		fmt.Printf("at %d %d %d %s %s\\n", pc-1, f.Entry(), line, f.Name(), file)
	}
}

type Place struct{}

func (p *Place) inlined() { p.Deep(2) }

func tell(address uintptr) {
	new(Place).inlined()
	fmt.Printf("c %d\\n", address)
	maps, _ := os.ReadFile("/proc/self/maps")
	os.Stdout.Write(maps)
}
"""
_FILES = {
    "go.mod": "module example.org/where\n\ngo 1.21\n",
    "plain/where.go": _WHERE,
    "plain/main.go": "package main\n\nfunc main() { tell(0) }\n",
    "cgo/where.go": _WHERE,
    "cgo/main.go": """\
package main

/*
#include <stdint.h>
static __attribute__((noinline)) int add_in_c(int a, int b) { return a * 3 + b; }
static uintptr_t address(void) { return (uintptr_t)&add_in_c; }
*/
import "C"

//export Exported
func Exported(n C.int) C.int { return C.add_in_c(n, 1) }

func main() { tell(uintptr(C.address())) }
""",
}
_BUILDS = {
    "static": (["./plain"], {"CGO_ENABLED": "0"}),
    "stripped": (["-ldflags=-s -w", "./plain"], {"CGO_ENABLED": "0"}),
    "pie": (["-buildmode=pie", "./plain"], {"CGO_ENABLED": "0"}),
    "cgo": (["./cgo"], {}),
    "internal": (["-ldflags=-linkmode=internal", "./cgo"], {}),
    "stripped cgo pie": (["-buildmode=pie", "-ldflags=-s -w -linkmode=external", "./cgo"], {}),
    "static glibc": (["-ldflags=-linkmode=external -extldflags=-static", "./cgo"], {}),
    "musl": (["./cgo"], {"CC": "musl-gcc"}),
    "static musl": (["-ldflags=-linkmode=external -extldflags=-static", "./cgo"], {"CC": "musl-gcc"}),
    "c-shared": (["-buildmode=c-shared", "./cgo"], {}),
    "arm64": (["./plain"], {"GOARCH": "arm64", "CGO_ENABLED": "0"}),
    "386": (["./plain"], {"GOARCH": "386", "CGO_ENABLED": "0"}),
    "s390x": (["./plain"], {"GOARCH": "s390x", "CGO_ENABLED": "0"}),
}
BUILDS = tuple(_BUILDS)
RUNNABLE = ("static", "stripped", "pie", "cgo", "internal", "stripped cgo pie", "static glibc", "musl", "static musl")


class Place(NamedTuple):
    """A place in a running program, as it tells it itself."""

    pc: int
    entry: int
    line: int
    name: str
    file: str


class Mapping(NamedTuple):
    """An executable mapping of the program's own file."""

    start: int
    end: int
    offset: int


class Told(NamedTuple):
    """All that such a program prints."""

    places: list[Place]
    in_c: int
    mappings: list[Mapping]

    def mapping(self, pc: int) -> Mapping:
        """The one that an address lies in."""
        return next(one for one in self.mappings if one.start <= pc < one.end)


class GoPrograms:
    """Each program is built when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._built: dict[str, Path] = {}
        for name, text in _FILES.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)

    def go(self, *arguments: str | Path, given: str = "", **changes: str) -> str:
        """What a go command prints."""
        go = shutil.which("go")
        if go is None:
            pytest.skip("go is not installed; `make setup` installs it")
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        env = {**kept, "GOENV": "off", "GOPROXY": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "1", **changes}
        env["GOCACHE"] = str(build_cache())  # which scenarios fill as well: nobody looks at how these are built
        command = [go, *arguments]
        done = subprocess.run(
            command, cwd=self._folder, env=env, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def __getitem__(self, name: str) -> Path:
        if name not in self._built:
            arguments, env = _BUILDS[name]
            if "CC" in env and shutil.which(env["CC"]) is None:
                pytest.skip(f"{env['CC']} is not installed; `make setup` installs it")
            path = self._folder / "built" / name.replace(" ", "-")
            self.go("build", "-buildvcs=false", "-o", path, *arguments, **env)
            self._built[name] = path
        return self._built[name]

    def told(self, name: str) -> Told:
        """What the program says when it runs."""
        path = self[name]
        done = subprocess.run([path], capture_output=True, text=True, check=True, timeout=60)
        lines = [line.split(maxsplit=5) for line in done.stdout.splitlines()]
        places = [
            Place(int(pc), int(entry), int(line), function, file)
            for _, pc, entry, line, function, file in (line for line in lines if line[0] == "at")
        ]
        in_c = next(int(line[1]) for line in lines if line[0] == "c")
        own = [line for line in lines if len(line) == 6 and line[5] == str(path) and "x" in line[1]]
        ends = [[int(end, 16) for end in line[0].split("-")] for line in own]
        mappings = [Mapping(start, end, int(line[2], 16)) for (start, end), line in zip(ends, own, strict=True)]
        return Told(places, in_c, mappings)
