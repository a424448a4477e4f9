"""Programs that crash in a known place, what their stacks are, and how to build them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from gotrace.events.model import Frame
from tests.integration.projects import go_module

CRASHES = r"""
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#define APART __attribute__((noinline))
static const char *volatile nowhere;
static volatile int sink;
APART int deepest(int n) { sink = n; return (int)strlen(nowhere) + n; }
APART int compare(const void *a, const void *b) { sink++; return deepest(*(const int *)a) - *(const int *)b; }
APART int sorting(int n) {
    int items[64];
    for (int i = 0; i < 64; i++) items[i] = n ^ i;
    qsort(items, 64, sizeof *items, compare);
    return items[3];
}
APART int variable(int n) {
    char *room = __builtin_alloca(n * 16);
    memset(room, n, n * 16);
    sink = room[n];
    return sorting(n) + room[1];
}
APART int recursing(int n) { return n == 0 ? variable(7) + 1 : recursing(n - 1) * 3 + sink; }
APART void handler(int number) { sink = number; sink = recursing(1) + 1; sink++; }
APART int raising(int n) { raise(SIGUSR1); return n + sink; }
APART int aborting(int n) { if (n) abort(); return n; }
typedef int (*function)(int);
static volatile function nothing;
APART int inner(int n) { return nothing(n) + 1; }
APART int outer(int n) { return inner(n) * 2; }
int main(int argc, char **argv) {
    signal(SIGUSR1, handler);
    switch (argc) {
    case 1: return recursing(2) + 1;
    case 2: return raising(argc) + 1;
    case 3: return aborting(argc) + 1;
    default: return outer(argc) + 1;
    }
}
"""
SORTING = ["deepest", "compare", "sorting", "variable", "recursing"]
CHAINS = {
    "sorting": (0, signal.SIGSEGV, [*SORTING, "recursing", "recursing", "main"]),
    "handler": (1, signal.SIGSEGV, [*SORTING, "recursing", "handler", "__restore_rt", "raising", "main"]),
    "abort": (2, signal.SIGABRT, ["abort", "aborting", "main"]),
    "null call": (3, signal.SIGSEGV, ["inner", "outer", "main"]),
}
BUILDS = {
    "glibc": ["gcc", "-O2"],
    "glibc unoptimised": ["gcc", "-O0"],
    "glibc static": ["gcc", "-O2", "-static"],
    "glibc size": ["gcc", "-Os", "-no-pie", "-fomit-frame-pointer"],
    "musl": ["musl-gcc", "-O2"],
    "musl static": ["musl-gcc", "-O2", "-static"],
}
OURS = {"abort", "raising", "handler", *(name for _, _, names in CHAINS.values() for name in names)}

C_OF_CGO = """
typedef int (*function)(int);
static volatile function nothing;
static volatile int sink;
extern int callback(int);
__attribute__((noinline)) int inner(int n) { return nothing(n) + 1; }
__attribute__((noinline)) int outer(int n) { sink = n; return inner(n) * 2; }
int into_go_and_back(int n) { return callback(n) + 1; }
"""
CGO = """package main

/*
#cgo CFLAGS: -O2
extern int outer(int), into_go_and_back(int);
static int crash(int n) { return outer(n) + 3; }
static void crash_plainly(void) { outer(1); }
*/
import "C"
import "os"

//go:noinline
func level2(n int) int { return int(C.crash(C.int(n))) + 1 }

//go:noinline
func level1(n int) int { return level2(n) + 1 }

//go:noinline
func deep(n int) int {
\tvar room [512]int
\tif n == 0 {
\t\treturn level2(n)
\t}
\treturn deep(n-1) + room[n]
}

//export callback
func callback(n C.int) C.int { return C.int(level2(int(n))) }

//go:noinline
func recursing(n int) int {
\tvar room [128]int
\tif n == 0 {
\t\treturn branch(nil)
\t}
\treturn recursing(n-1) + room[n]
}

type node struct{ value [9]int }

//go:noinline
func leaf(n *node) int { return n.value[3] }

//go:noinline
func branch(n *node) int { return leaf(n) + 1 }

func main() {
\tswitch os.Args[1] {
\tcase "function":
\t\tprintln(level1(3))
\tcase "no arguments":
\t\tC.crash_plainly()
\tcase "goroutine":
\t\tdone := make(chan int)
\t\tgo func() { done <- level1(3) }()
\t\tprintln(<-done)
\tcase "deep":
\t\tprintln(deep(5))
\tcase "callback":
\t\tprintln(C.into_go_and_back(2))
\tcase "go recursion":
\t\tprintln(recursing(15))
\tcase "go":
\t\tprintln(branch(nil))
\t}
}
"""
GO_BUILDS: dict[str, list[str]] = {"plain": [], "stripped": ["-ldflags=-s -w"], "pie": ["-buildmode=pie"]}
BELOW = ["runtime.asmcgocall", "runtime.cgocall"]
FROM_MAIN = ["main.main", "runtime.main", "runtime.goexit"]
WRAPPED = ["", "inner", "outer", "_cgo_X_Cfunc_crash", *BELOW, "main._Cfunc_crash", "main.level2"]
GO_CHAINS = {
    "function": [*WRAPPED, "main.level1", *FROM_MAIN],
    # The compiler has cgo's function jump to the one that it calls last.
    "no arguments": ["", "inner", "outer", *BELOW, "main._Cfunc_crash_plainly", *FROM_MAIN],
    "goroutine": [*WRAPPED, "main.level1", "main.main.func1", "runtime.goexit"],
    "deep": [*WRAPPED, *["main.deep"] * 6, *FROM_MAIN],
    "go": ["main.leaf", "main.branch", *FROM_MAIN],
    # More than the memory that there is of the stack.
    "go recursion": ["main.leaf", "main.branch", *["main.recursing"] * 16, *FROM_MAIN],
}


def names(stack: Iterable[Frame]) -> list[str]:
    """Symbols, without what the compiler makes of a part that is seldom run, and without cgo's random part."""
    return [re.sub(r"\.(cold|constprop|isra|part)\b.*|(?<=_cgo_)[0-9a-f]{12}", _simplified, f.symbol) for f in stack]


def _simplified(found: re.Match[str]) -> str:
    return "" if found[1] else "X"


def build_crashes(folder: Path, tool: Callable[[str], str], name: str) -> Path:
    """The C program, in one of its BUILDS; made once in a folder."""
    program = folder / name.replace(" ", "-")
    if not program.exists():
        source = folder / "crashes.c"
        source.write_text(CRASHES)
        compiler, *flags = BUILDS[name]
        subprocess.run([tool(compiler), *flags, "-o", program, source], check=True)
    return program


def build_cgo(folder: Path, tool: Callable[[str], str], name: str) -> Path:
    """The cgo program, in one of its GO_BUILDS; made once in a folder."""
    program = folder / "cgo" / name
    if not program.exists():
        go_module(program.parent, {"main.go": CGO, "crash.c": C_OF_CGO})
        env = os.environ | {"CGO_ENABLED": "1", "GOFLAGS": "", "GOTOOLCHAIN": "local"}
        subprocess.run(
            [tool("go"), "build", *GO_BUILDS[name], "-o", program, "."], cwd=program.parent, env=env, check=True
        )
    return program
