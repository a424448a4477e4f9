"""Command lines as go 1.26.8 and gcc 12 really write them (strace -f -s 8192, long ones cut in the middle)."""

from __future__ import annotations

from tests.unit.trace.events_for import GCC_PARTS, GO_ENV, TOOLS, WORK, Story

B1, B2, B4 = (f"{WORK}/b{number}" for number in ("001", "002", "004"))

COMPILE_SYNC = (
    f"{TOOLS}/compile -o {WORK}/b008/_pkg_.a -trimpath {WORK}/b008=> -p sync -lang=go1.26 -std -buildid AAAA/AAAA"
    f" -goversion go1.26.8 -c=2 -nolocalimports -importcfg {WORK}/b008/importcfg -pack /usr/local/go/src/sync/cond.go"
)
ASM = (
    f"{TOOLS}/asm -p sync/atomic -trimpath {WORK}/b012=> -I {WORK}/b012/ -I /usr/local/go/pkg/include -D GOOS_linux"
    f" -D GOARCH_amd64 -D GOAMD64_v1 -gensymabis -o {WORK}/b012/symabis /usr/local/go/src/sync/atomic/asm.s"
)
CGO = (
    f'{TOOLS}/cgo -objdir {B2}/ -importpath ex/mini/sub \'-ldflags="-O2" "-g"\' -- -I {B2}/ -O2 -g'
    " /home/u/mini/sub/sub.go"
)
CGO_MAIN = (
    f'{TOOLS}/cgo -objdir {B1}/ -importpath ex/mini \'-ldflags="-O2" "-g"\' -- -I {B1}/ -O2 -g /home/u/mini/main.go'
)
CGO_DYNIMPORT = f"{TOOLS}/cgo -dynpackage sub -dynimport {B2}/_cgo_.o -dynout {B2}/_cgo_import.go"
COMPILE_MAIN = (
    f"{TOOLS}/compile -o {B1}/_pkg_.a -trimpath {B1}=> -p main -lang=go1.21 -buildid BBBB/BBBB -goversion go1.26.8"
    f" -c=2 -nolocalimports -importcfg {B1}/importcfg -pack {B1}/_cgo_gotypes.go {B1}/main.cgo1.go"
)
COMPILE_SUB = (
    f"{TOOLS}/compile -o {B2}/_pkg_.a -trimpath {B2}=> -p ex/mini/sub -lang=go1.21 -buildid CCCC/CCCC -goversion"
    f" go1.26.8 -c=2 -nolocalimports -importcfg {B2}/importcfg -pack {B2}/_cgo_gotypes.go {B2}/sub.cgo1.go"
)
LINK = (
    f"{TOOLS}/link -o {B1}/exe/a.out -importcfg {B1}/importcfg.link -X=runtime.godebugDefault=gotypesalias=0"
    f" -buildmode=pie -buildid=DDDD/BBBB/BBBB/DDDD -extld=gcc {B1}/_pkg_.a"
)
VET = f"{TOOLS}/vet -atomic -bool -buildtags -directive -errorsas -printf -tests {B2}/vet.cfg"
TEST_BINARY = f"{B1}/sub.test -test.testlogfile={B1}/testlog.txt -test.paniconexit0 -test.timeout=10m0s"

DEFINES = f"gcc -E -dM -m64 -I {B2}/ -O2 -I . /tmp/cgo-gcc-input-163269391.c"
GUESS = (
    f"gcc -w -Wno-error -o{B2}/_cgo_1.o -gdwarf-2 -c -I {B2}/ -m64 -fno-lto -O0 -fdiagnostics-color=never"
    " -I . /tmp/cgo-gcc-input-3096270809.c"
)
PREAMBLE = f"gcc -w -Wno-error -o{B2}/_cgo_3.o -gdwarf-2 -c -I {B2}/ -m64 -fno-lto -O0 -I . /tmp/cgo-gcc-input-7.c"
DWARF = (
    f"gcc -w -Wno-error -o{B2}/_cgo_2.o -gdwarf-2 -c -I {B2}/ -O2 -m64 -fno-lto -I . /tmp/cgo-gcc-input-2484964264.c"
)
CC_FILE = (
    f"/usr/bin/gcc -I /home/u/mini/sub -fPIC -m64 -pthread -Wl,--no-gc-sections -fmessage-length=0"
    f" -ffile-prefix-map={B2}=/tmp/go-build -gno-record-gcc-switches -I {B2}/ -O2 -g -frandom-seed=EEEE"
    f" -o {B2}/_x002.o -c sub.cgo2.c"
)
CC_DYNIMPORT = (
    f"/usr/bin/gcc -I /home/u/mini/sub -fPIC -m64 -pthread -Wl,--no-gc-sections -fmessage-length=0"
    f" -ffile-prefix-map={B2}=/tmp/go-build -gno-record-gcc-switches -o {B2}/_cgo_.o {B2}/_cgo_main.o {B2}/_x001.o"
)
CC_LINK = f"gcc -m64 -Wl,--build-id=0x1f61 -o {B1}/exe/a.out -Wl,--export-dynamic-symbol=_cgo_panic /tmp/go-link-1/go.o"
CC_FLAG = (
    f"gcc -I /home/u/mini/sub -fPIC -ffile-prefix-map={B2}=/tmp/go-build -frandom-seed=1 -O2 -g -c -x c - -o /dev/null"
)
CC_LINK_FLAG = "gcc -Wl,--no-gc-sections -O2 -g -x c - -o /dev/null"
CC_ID = "gcc -### -x c -c -"
LINK_FLAG = "gcc -m64 -o /tmp/go-link-1/a.out -Qunused-arguments /tmp/go-link-1/trivial.c"
LINK_GOLD = "aarch64-linux-gnu-gcc -Wl,--version"
CC1 = (
    f"{GCC_PARTS}/cc1 -quiet -I /home/u/mini/sub -imultiarch x86_64-linux-gnu -D_REENTRANT sub.cgo2.c -quiet"
    " -o /tmp/cc1.s"
)
AS = f"as -I /home/u/mini/sub -I {B2}/ --gdwarf-5 --64 -o {B2}/_x002.o /tmp/cc1.s"
COLLECT2 = f"{GCC_PARTS}/collect2 --build-id --eh-frame-hdr -m elf_x86_64 -pie -o {B1}/exe/a.out"
LD = f"/usr/bin/ld --build-id --eh-frame-hdr -m elf_x86_64 -pie -o {B1}/exe/a.out"


def go_build(story: Story, go_env: dict[str, str] | None = None, tools_env: dict[str, str] = GO_ENV) -> None:
    """A `go build` of a program with a cgo package, all of it well."""
    with story.process(1, "go build -o ../mini .", env=go_env or {}, cwd="/home/u/mini"):
        story.runs(2, f"{TOOLS}/compile -V=full", parent=1, env=tools_env)
        story.runs(3, COMPILE_SYNC, parent=1, env=tools_env)
        story.runs(4, CC_ID, parent=1, env=tools_env)
        with story.process(5, CGO, parent=1, env=tools_env, cwd="/home/u/mini/sub"):
            for pid, command, status in ((6, DEFINES, 0), (7, GUESS, 1), (8, DWARF, 0)):
                with story.process(pid, command, parent=5, status=status, env=tools_env):
                    story.runs(pid + 100, CC1, parent=pid, status=status)
        story.runs(9, CC_FLAG, parent=1, env=tools_env)
        with story.process(10, CC_FILE, parent=1, env=tools_env, cwd=B2):
            story.runs(110, CC1, parent=10)
            story.forks(10, 210)
            story.execs(210, AS, path="/usr/local/bin/as", error=2)
            story.execs(210, AS)
            story.exits(210)
        story.runs(11, CC_DYNIMPORT, parent=1, env=tools_env)
        story.runs(12, CGO_DYNIMPORT, parent=1, env=tools_env)
        story.runs(13, COMPILE_SUB, parent=1, env=tools_env)
        story.runs(14, CGO_MAIN, parent=1, env=tools_env)
        story.runs(15, COMPILE_MAIN, parent=1, env=tools_env)
        with story.process(16, LINK, parent=1, env=tools_env):
            story.runs(17, LINK_FLAG, parent=16, status=1, env=tools_env)
            with story.process(18, CC_LINK, parent=16, env=tools_env), story.process(19, COLLECT2, parent=18):
                story.runs(20, LD, parent=19)
