"""Small Go programs that need C, written where a test wants them."""

from __future__ import annotations

import subprocess
from pathlib import Path

ADD = """package main

/*
#include <stdio.h>
static int add(int a, int b) { return a + b; }
*/
import "C"
import "fmt"

func main() { fmt.Println(C.add(20, 22)) }
"""

HEADER = """package main

// #include <foo/foo.h>
import "C"

func main() {{}}
"""

LIBRARY = """package main

// #cgo LDFLAGS: -lfoo
// int foo(void);
import "C"

func main() { println(C.foo()) }
"""


def go_module(folder: Path, files: dict[str, str]) -> Path:
    """A module `ex/app` with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text("module ex/app\n\ngo 1.21\n")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def with_stub(folder: Path) -> Path:
    """A program whose package `store` has a C part and, without cgo, a pure Go stub."""
    return go_module(
        folder,
        {
            "main.go": 'package main\n\nimport "ex/app/store"\n\nfunc main() { println(store.Open()) }\n',
            "store/c.go": "package store\n\n// static int open_(void) { return 7; }\n"
            'import "C"\n\nfunc Open() int { return int(C.open_()) }\n',
            "store/stub.go": "//go:build !cgo\n\npackage store\n\nfunc Open() int { return -1 }\n",
        },
    )


def shared_library(folder: Path, name: str, cc: str = "gcc") -> Path:
    """A shared object with `int foo(void)` and soname libfoo.so.1, under `name`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "foo.c").write_text("int foo(void) { return 5; }\n")
    target = folder / name
    subprocess.run([cc, "-shared", "-fPIC", "-Wl,-soname,libfoo.so.1", "-o", target, folder / "foo.c"], check=True)
    return target
