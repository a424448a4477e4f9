"""How soon the functions of a large Go binary can be looked up, and what a look-up takes."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from bench.stats import Estimate, estimate
from bench.workloads import Bench
from gotrace.elf.functions import Functions

PACKAGES, METHODS = 60, 1000
"""So many functions, with their debug information uncompressed, are a file of about 100 MB."""
LOOKUPS = 10_000

_METHOD = """\
func (t *T) Method{n}(x int) string {{
	for j := 0; j < x; j++ {{
		t.a += j * {n}
		if t.a%({n}+3) == 0 {{
			t.m[strings.Repeat("x", j)] = t.b
		}}
	}}
	t.s += fmt.Sprintf("%d {n} %s", t.a, t.s)
	if len(t.s) > {n} {{
		panic(fmt.Errorf("too long: %v", t))
	}}
	return fmt.Sprint(t.a, t.b, t.m, t.s) + strings.ToUpper(t.s)
}}
"""


class Cost(NamedTuple):
    """Seconds."""

    opened: Estimate
    """From the file's name to the first function found."""
    new: Estimate
    """A look-up of an address for the first time."""
    known: Estimate
    """A look-up of an address that was asked for before."""


def large_program(bench: Bench, packages: int = PACKAGES, methods: int = METHODS) -> Path:
    """Write and build a Go program of many functions (some minutes)."""
    folder = bench.scratch / "large-program"
    folder.mkdir()
    (folder / "go.mod").write_text("module large\n\ngo 1.21\n")
    names = [f"p{number}" for number in range(packages)]
    for name in names:
        (folder / name).mkdir()
        listed = "".join(f"\t(*T).Method{n},\n" for n in range(methods))
        (folder / name / "methods.go").write_text(
            f'package {name}\n\nimport (\n\t"fmt"\n\t"strings"\n)\n\n'
            "type T struct {\n\ta, b int\n\ts    string\n\tm    map[string]int\n}\n\n"
            + "".join(_METHOD.format(n=n) for n in range(methods))
            + f"\nvar All = []func(*T, int) string{{\n{listed}}}\n"
        )
    imports = "".join(f'\t"large/{name}"\n' for name in names)
    prints = "".join(f"\tprintln(len({name}.All))\n" for name in names)
    (folder / "main.go").write_text(f"package main\n\nimport (\n{imports})\n\nfunc main() {{\n{prints}}}\n")
    program = folder / "large"
    command = ["go", "build", "-buildvcs=false", "-ldflags=-compressdwarf=false", "-o", str(program), "."]
    subprocess.run(command, cwd=folder, env=bench.env, check=True)
    return program


def symbols(program: Path, rounds: int) -> Cost:
    """Open the program anew in each round and look up as many addresses, evenly spread over its Go code."""
    opened, new, known = [], [], []
    for number in range(rounds + 1):
        start = time.perf_counter()
        functions = Functions.open(program)
        assert functions is not None
        table = functions.go
        assert table is not None
        functions.at(table.start)
        opened.append(time.perf_counter() - start)
        with functions:
            chance = random.Random(number)
            addresses = [chance.randrange(table.start, table.end) for _ in range(LOOKUPS)]
            new.append(_per_lookup(functions, addresses))
            known.append(_per_lookup(functions, addresses))
    # The first round has the file read from the disk.
    return Cost(estimate(opened[1:]), estimate(new[1:]), estimate(known[1:]))


def _per_lookup(functions: Functions, addresses: list[int]) -> float:
    start = time.perf_counter()
    for address in addresses:
        functions.at(address)
    return (time.perf_counter() - start) / len(addresses)
