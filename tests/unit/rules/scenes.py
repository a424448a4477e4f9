"""Go builds told tersely, with the calls and words that Go 1.26, gcc 12 and ld 2.40 really make on Debian 12."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import EACCES, ENOENT
from typing import Any

from gotrace.events.facets import Facet
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Diagnosis, Finding
from gotrace.trace.model import Trace
from tests.unit.trace.events_for import GCC_PARTS, GO_ENV, TOOLS, WORK, Story

PATH = ("/usr/local/go/bin", "/usr/local/bin", "/usr/bin", "/bin")
DEBIAN = {"machine": "x86_64", "distribution": "debian", "distribution_version": "12"}
ALPINE = {"machine": "x86_64", "distribution": "alpine", "distribution_version": "3.20"}
EVERYTHING = tuple(facet.value for facet in Facet)

GCC_CROSS = "/usr/lib/gcc-cross/aarch64-linux-gnu/12"
INCLUDE = (f"{GCC_PARTS}/include", "/usr/local/include", "/usr/include/x86_64-linux-gnu", "/usr/include")
LIBRARY = (GCC_PARTS, "/usr/lib/x86_64-linux-gnu", "/usr/lib", "/lib/x86_64-linux-gnu", "/usr/local/lib")

GCC = f"gcc -E -dM -m64 -I {WORK}/b001/ -O2 -I . /tmp/cgo-gcc-input-1.c"
CC1 = f"cc1 -E -quiet -I {WORK}/b001/ -imultiarch x86_64-linux-gnu /tmp/cgo-gcc-input-1.c"
CROSS_CC1 = f"{GCC_CROSS}/cc1 -quiet -imultiarch aarch64-linux-gnu linux_syscall.c"


class Scene:
    """A go command that runs tools. It ends, with `status`, when it is asked for its trace."""

    def __init__(
        self,
        command: str = "go build .",
        *,
        env: Mapping[str, str] | None = None,
        tools: Mapping[str, str] | None = None,
        status: int = 1,
        user: str = "root",
        host: Mapping[str, str] = DEBIAN,
        observes: Sequence[str] = EVERYTHING,
        argv: Sequence[str] = (),
    ) -> None:
        """`env` is what the user set, `tools` what the go command hands to its tools beyond its defaults."""
        self.story = Story()
        self.env = {"PATH": ":".join(PATH), **(env or {})}
        self.tools = {**GO_ENV, **self.env, **(tools or {})}
        self._header: dict[str, Any] = {
            "argv": tuple(argv or command.split()),
            "host": dict(host),
            "observes": tuple(observes),
        }
        self._status, self._user, self._last = status, user, 1
        self.story.execs(1, command, env=self.env)

    @contextmanager
    def run(self, parent: int, command: str | Sequence[str], status: int = 0, **more: Any) -> Iterator[int]:
        """A tool started by `parent`; its pid."""
        self._last += 1
        pid = self._last
        with self.story.process(pid, command, parent=parent, status=status, env=self.tools, **more):
            yield pid

    @contextmanager
    def cgo(self, package: str, status: int = 2) -> Iterator[int]:
        """A run of cgo for a package."""
        folder = f"{WORK}/b{self._last:03}/"
        words = [f"{TOOLS}/cgo", "-objdir", folder, "-importpath", package, "--", "-O2", "a.go"]
        with self.run(1, words, status) as pid:
            yield pid

    @contextmanager
    def link(self, package: str = "ex/hello", status: int = 2) -> Iterator[int]:
        """A run of the linker."""
        words = [
            f"{TOOLS}/link",
            "-o",
            f"{WORK}/b001/exe/a.out",
            "-importcfg",
            "x",
            "-extld=gcc",
            f"{WORK}/b001/_pkg_.a",
        ]
        with self.run(1, words, status) as pid:
            yield pid

    def searches(self, pid: int, name: str, folders: Sequence[str] = PATH, call: str = "newfstatat") -> None:
        """Failing calls for one name in folder after folder."""
        for folder in folders:
            self.story.fails(pid, call, ENOENT, f"{folder}/{name}")

    def lost_package(self, path: str, *, files: Sequence[str], others: int) -> None:
        """The fact that a package has cgo files which were left out."""
        position = f"{files[0]}:7:8"
        data = {"dir": "/home/u/hello", "cgo_files": list(files), "import_c": position, "other_files": others, "pid": 1}
        self.story.fact("gopackage", path, standard=False, ignored_cgo_files=list(files), **data)

    def go_env(self, **values: str) -> None:
        """The fact of `go env -json`."""
        self.story.fact("goenv", "/usr/local/go/bin/go", values={**GO_ENV, **values}, written=[], pid=1)

    def trace(self, **header: Any) -> Trace:
        """All of it; the go command ends."""
        self.story.exits(1, self._status)
        self.story.fact("command", pid=1, exit=self._status, signal=None, seconds=1.0, user=self._user)
        return self.story.trace(**{**self._header, **header})

    def diagnosis(self) -> Diagnosis:
        """What the engine with all rules says."""
        return diagnose(self.trace())

    def findings(self) -> list[Finding]:
        """The same, root causes only; every rule must have been decided."""
        diagnosis = self.diagnosis()
        assert diagnosis.not_evaluated == []
        return diagnosis.findings

    def finding(self, name: str) -> Finding:
        """The only finding there may be."""
        found = self.findings()
        assert [finding.name for finding in found] == [name]
        return found[0]


def lines(finding: Finding) -> list[str]:
    """The commands of its fixes as one reads them."""
    return [" ".join(fix.command) for fix in finding.fix if fix.command]


def proof(finding: Finding) -> str:
    """Its evidence as one text."""
    return "\n".join(evidence.text for evidence in finding.evidence)


def missing_header(
    scene: Scene,
    header: str,
    package: str = "ex/hello",
    folders: Sequence[str] = INCLUDE,
    *,
    cc: str = "gcc -m64",
    place: str = "/home/u/hello/a.go",
    shows: str = "",
) -> None:
    """cgo's first look at a package whose preamble includes a header that is nowhere; `shows` is the line of it."""
    with (
        scene.cgo(package) as cgo,
        scene.run(cgo, f"{cc} -E -dM -O2 -I . /tmp/cgo-gcc-input-1.c", 1) as gcc,
        scene.run(gcc, f"{GCC_CROSS}/cc1 -E -quiet x.c" if cc.startswith("aarch64") else CC1, 1) as cc1,
    ):
        finds_stdc_predef(scene, cc1)
        scene.searches(cc1, header, [f"{WORK}/b001", ".", *folders], "openat")
        scene.story.writes(cc1, f"{place}:3:11: fatal error: {header}: No such file or directory\n{shows}\n")


def finds_stdc_predef(scene: Scene, cc1: int) -> None:
    """Every cc1 looks for this header, and finds it in the last folder but for the first ones."""
    scene.searches(cc1, "stdc-predef.h", [f"{WORK}/b001", *INCLUDE[:-1]], "openat")


def healthy(scene: Scene) -> None:
    """What fails in a build that is well: see "Noise" of Go's and gcc's ordinary work."""
    scene.searches(1, "gcc", PATH[:2])
    scene.searches(1, "gccgo")
    with scene.cgo("runtime/cgo", 0) as cgo:
        for number in range(24):
            with scene.run(cgo, f"{GCC} -D{number}") as gcc:
                for folder in (*PATH, "/usr/lib/gcc", *PATH, "/x"):
                    scene.story.execs(gcc, "as --64", path=f"{folder}/as", error=ENOENT)
                with scene.run(gcc, CC1) as cc1:
                    for name in ("stdio.h", "bits/types.h", "stdlib.h", "features.h", "nope/optional.h"):
                        scene.searches(cc1, name, INCLUDE[:-1], "openat")
                    scene.searches(cc1, "nope/optional.h", INCLUDE, "openat")
        guess = f"gcc -w -o{WORK}/b001/_cgo_1.o -c -m64 -O0 -fdiagnostics-color=never -I . /tmp/cgo-gcc-input-2.c"
        with scene.run(cgo, guess, 1) as gcc, scene.run(gcc, CC1, 1) as cc1:
            finds_stdc_predef(scene, cc1)
            scene.story.writes(cc1, "not-str-lit:1:67: error: invalid initializer\n")
    with scene.link(status=0) as link:
        probe = "gcc -m64 -o /tmp/go-link-1/a.out -Qunused-arguments /tmp/go-link-1/trivial.c"
        with scene.run(link, probe, 1) as gcc:
            scene.story.writes(gcc, "gcc: error: unrecognized command-line option '-Qunused-arguments'\n")
        with (
            scene.run(link, "gcc -m64 -o x go.o -lsqlite3") as gcc,
            scene.run(gcc, "collect2 -lsqlite3") as collect2,
            scene.run(collect2, "/usr/bin/ld -L/usr/lib -lsqlite3") as ld,
        ):
            scene.searches(ld, "libsqlite3.so", LIBRARY[:1], "openat")
            scene.searches(ld, "libsqlite3.a", LIBRARY[:1], "openat")
    scene.story.fails(1, "mkdirat", EACCES, "/root/.config/go")
