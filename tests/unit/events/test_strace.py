"""Events as strace would print them. The expected lines are strace 6.1's own where it prints the call at all."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.events.model import Event, Exec, Exit, Fact, Fork, Lost, Output, SyscallError
from gotrace.events.quotes import quote
from gotrace.events.strace import render
from gotrace.events.text import printable

ENOENT = "= -1 ENOENT (No such file or directory)"
AT_FDCWD = 0xFFFFFF9C
"""-100 in a register, as a 32-bit int leaves it."""


def failing(syscall: str, *paths: str, args: tuple[int, ...] = (), errno: int = 2, **more: Any) -> SyscallError:
    return SyscallError(ts_ns=1, pid=2, syscall=syscall, errno=errno, paths=paths, args=args, **more)


def executing(path: str, *argv: str, **more: Any) -> Exec:
    return Exec(ts_ns=1, pid=2, path=path, argv=argv, **more)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (executing("/usr/bin/gcc", "gcc", "-E", "x.c"), 'execve("/usr/bin/gcc", ["gcc", "-E", "x.c"]) = 0'),
        (executing("/usr/bin/as", "as", error=2), f'execve("/usr/bin/as", ["as"]) {ENOENT}'),
        (executing("/x", error=13), 'execve("/x", []) = -1 EACCES (Permission denied)'),
        (Exec(ts_ns=1, pid=2, path="/x"), 'execve("/x", [...]) = 0'),
        (executing("/x", "x", argv_bytes=40000), 'execve("/x", ["x", ...]) = 0'),
        (executing("/x", "a" * 64), f'execve("/x", ["{"a" * 64}"]) = 0'),
        (executing("/x", "a" * 65), f'execve("/x", ["{"a" * 64}"...]) = 0'),
        (executing("/" + "p" * 500), f'execve("/{"p" * 500}", []) = 0'),
        (Fork(ts_ns=1, pid=2, child_pid=3), "clone(...) = 3"),
        (Exit(ts_ns=1, pid=2, status=1), "+++ exited with 1 +++"),
        (Exit(ts_ns=1, pid=2), "+++ exited with ? +++"),
        (Exit(ts_ns=1, pid=2, signal=9), "+++ killed by SIGKILL +++"),
        (Exit(ts_ns=1, pid=2, signal=6, core=True), "+++ killed by SIGABRT (core dumped) +++"),
        (Output(ts_ns=1, pid=2, text="as: bad\n"), r'write(2, "as: bad\n", 8) = 8'),
        (Output(ts_ns=1, pid=2, text=r"\xff", fd=1), r'write(1, "\xff", 1) = 1'),
        (Output(ts_ns=1, pid=2, text="cut", truncated=True), 'write(2, "cut"..., 3) = 3'),
        (Output(ts_ns=1, pid=2, text="x" * 300), f'write(2, "{"x" * 256}"..., 300) = 300'),
        (Lost(ts_ns=1, pid=2, what="exec", count=3, reason="ring full"), "+++ lost 3 exec events (ring full) +++"),
        (
            Lost(ts_ns=1, pid=2, what="exec", count=3, reason="ring full", exact=False),
            "+++ lost up to 3 exec events (ring full) +++",
        ),
        (
            Fact(ts_ns=1, pid=2, name="toolchain", subject="x", data={"compilers": ["a"], "text": "b"}),
            '/* toolchain "x": compilers=["a"] text="b" */',
        ),
        (
            Fact(ts_ns=1, pid=2, name="compiler", subject="/usr/bin/gcc", data={"target": "x86_64-linux-gnu"}),
            "gcc -dumpmachine: x86_64-linux-gnu",
        ),
        (
            Fact(
                ts_ns=1,
                pid=2,
                name="compiler",
                subject="/usr/bin/clang",
                data={"target": "riscv64-linux", "arguments": ["-target", "riscv64-linux"]},
            ),
            "clang -target riscv64-linux -dumpmachine: riscv64-linux",
        ),
        (
            Fact(
                ts_ns=1,
                pid=2,
                name="gopackage",
                subject="ex/s24",
                data={"cgo_files": ["main.go"], "import_c": "main.go:7:8"},
            ),
            'go list: ex/s24: main.go is left out without cgo (import "C" at main.go:7:8)',
        ),
        (
            Fact(ts_ns=1, pid=2, name="header", subject="a.h", data={"found": ["/opt/include/a.h"], "complete": True}),
            "on the disk: a.h is /opt/include/a.h",
        ),
        (
            Fact(
                ts_ns=1,
                pid=2,
                name="library",
                subject="foo",
                data={"found": [{"path": "/a/libfoo.so.1", "kind": "versioned so", "machine": "x86_64"}]},
            ),
            "on the disk: /a/libfoo.so.1 (versioned so, for x86_64)",
        ),
        (Fact(ts_ns=1, pid=2, name="library", subject="foo", data={"found": 7}), '/* library "foo": found=7 */'),
    ],
)
def test_an_event_in_one_line(event: Event, line: str) -> None:
    assert render(event) == line


@pytest.mark.parametrize(
    ("event", "call"),
    [
        (
            failing("newfstatat", "/usr/bin/gcc", args=(AT_FDCWD, 1, 1, 0, 0, 0)),
            'newfstatat(AT_FDCWD, "/usr/bin/gcc", ...)',
        ),
        (failing("newfstatat", "x", args=(2**64 - 100, 1, 1, 0, 0, 0)), 'newfstatat(AT_FDCWD, "x", ...)'),
        (failing("openat", "/a.h", args=(AT_FDCWD, 1, 0, 7, 0, 0)), 'openat(AT_FDCWD, "/a.h", O_RDONLY)'),
        (failing("openat", "a", args=(7, 1, 0o2000001, 7, 0, 0)), 'openat(7, "a", O_WRONLY|O_CLOEXEC)'),
        (
            failing("openat", "/q/x", args=(AT_FDCWD, 1, 0o2000301, 0o600, 0, 0)),
            'openat(AT_FDCWD, "/q/x", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600)',
        ),
        (
            failing("open", "/t", args=(1, 0o20200002, 0o644, 0, 0, 0)),
            'open("/t", O_RDWR|O_TMPFILE, 0644)',
        ),
        (failing("open", "/t", args=(1, 0o200000, 5, 0, 0, 0)), 'open("/t", O_RDONLY|O_DIRECTORY)'),
        (failing("open", "/t", args=(1, 0x80000000, 0, 0, 0, 0)), 'open("/t", O_RDONLY|0x80000000)'),
        (failing("access", "/nix", args=(1, 5, 0, 0, 0, 0)), 'access("/nix", R_OK|X_OK)'),
        (failing("access", "/nix", args=(1, 0, 0, 0, 0, 0)), 'access("/nix", F_OK)'),
        (failing("readlink", "/x", args=(1, 2, 10, 0, 0, 0)), 'readlink("/x", ...)'),
        (failing("mkdir", "/proc/x", args=(1, 0o777, 0, 0, 0, 0)), 'mkdir("/proc/x", 0777)'),
        (failing("rename", "/q/x", "/q/y", args=(1, 2, 0, 0, 0, 0)), 'rename("/q/x", "/q/y")'),
        (
            failing("renameat2", "a", "b", args=(AT_FDCWD, 1, 3, 2, 1, 0)),
            'renameat2(AT_FDCWD, "a", 3, "b", 0x1)',
        ),
        (failing("symlinkat", "/t", "/q/l", args=(1, AT_FDCWD, 2, 0, 0, 0)), 'symlinkat("/t", AT_FDCWD, "/q/l")'),
        (failing("openat", "/a.h"), 'openat(..., "/a.h", ...)'),
        (failing("openat", args=(5, 0x7F00, 0, 0, 0, 0)), "openat(5, 0x7f00, O_RDONLY)"),
        (failing("openat", args=(5, 0, 0, 0, 0, 0)), "openat(5, NULL, O_RDONLY)"),
        (failing("close", args=(2**64 - 1, 9, 9, 9, 9, 9)), "close(-1)"),
        (failing("lseek", args=(3, 2**64 - 5, 0, 9, 9, 9)), "lseek(3, -5, 0)"),
        (failing("new_call", args=(1, 2)), "new_call(0x1, 0x2)"),
        (failing("new_call", "/x", args=(1, 2)), 'new_call("/x", ...)'),
        (failing("close", "/unforeseen", args=(3, 0, 0, 0, 0, 0)), 'close(3, "/unforeseen")'),
        (
            failing("bind", args=(3, 0xC000, 28, 0, 0, 0), address="[::]:18099"),
            'bind(3, {sa_family=AF_INET6, sin6_port=htons(18099), sin6_addr="::"}, 28)',
        ),
        (failing("bind", args=(3, 0xC000, 28, 0, 0, 0)), "bind(3, 0xc000, 28)"),
        (failing("connect", args=(3, 0, 16, 0, 0, 0)), "connect(3, NULL, 16)"),
        (
            failing("sendto", args=(3, 0xC000, 1, 0, 0xC100, 16), address="1.2.3.4:5"),
            'sendto(3, 0xc000, 1, 0, {sa_family=AF_INET, sin_port=htons(5), sin_addr=inet_addr("1.2.3.4")}, 16)',
        ),
        (
            failing("connect", address="unix:/run/x.sock"),
            'connect(..., {sa_family=AF_UNIX, sun_path="/run/x.sock"}, ...)',
        ),
        (failing("syscall_999", args=(1,), address="1.2.3.4:5"), "syscall_999(0x1)"),
        (
            failing("mmap", args=(0, 67108864, 0, 0x4022, 2**32 - 1, 0)),
            "mmap(NULL, 67108864, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0)",
        ),
        (
            failing("mmap", args=(0x7000, 4096, 0x105, 0x80000001, 3, 0x1000)),
            "mmap(0x7000, 4096, PROT_READ|PROT_EXEC|0x100, MAP_SHARED|0x80000000, 3, 0x1000)",
        ),
        (failing("mmap", args=(0, 1, 3, 0, 3, 0)), "mmap(NULL, 1, PROT_READ|PROT_WRITE, 0, 3, 0)"),
        (
            failing("mprotect", args=(0x7000, 4096, 7, 0, 0, 0)),
            "mprotect(0x7000, 4096, PROT_READ|PROT_WRITE|PROT_EXEC)",
        ),
        (failing("prlimit64", args=(0, 6, 0xC000, 0, 9, 9)), "prlimit64(0, RLIMIT_NPROC, 0xc000, NULL)"),
        (failing("prlimit64", args=(0, 99, 0xC000, 0, 9, 9)), "prlimit64(0, 99, 0xc000, NULL)"),
        (failing("setpriority", args=(0, 0, 2**64 - 5, 0, 0, 0)), "setpriority(PRIO_PROCESS, 0, -5)"),
        (
            failing("socket", args=(10, 0o2004001, 6, 0, 0, 0)),
            "socket(AF_INET6, SOCK_STREAM|SOCK_NONBLOCK|SOCK_CLOEXEC, 6)",
        ),
        (failing("socket", args=(99, 7, 0, 0, 0, 0)), "socket(99, 7, 0)"),
    ],
)
def test_the_arguments_of_a_failing_call(event: SyscallError, call: str) -> None:
    assert render(event) == f"{call} {ENOENT}"


def test_an_error_that_came_later_is_told_as_such() -> None:
    event = failing("connect", args=(3, 0xC000, 16), address="unix:x", in_progress=True)
    assert render(event) == (
        f'connect(3, {{sa_family=AF_UNIX, sun_path="x"}}, 16) {ENOENT} /* EINPROGRESS, then this by SO_ERROR */'
    )


def test_an_error_without_a_name_is_its_number() -> None:
    assert render(failing("close", args=(3,), errno=4000)) == "close(3) = -1 4000 (Unknown error 4000)"


def test_what_is_not_native_or_happened_often_says_so() -> None:
    event = failing("stat64", "/x", abi="i386", repeat=12)
    assert render(event) == f'stat64("/x", ...) {ENOENT} /* i386, 12 times */'


def test_the_caller_chooses_how_much_is_shown() -> None:
    assert render(executing("/x", "abcd", "b", "c"), limit=2) == 'execve("/x", ["ab"..., "b", ...]) = 0'
    assert render(Output(ts_ns=1, pid=2, text="abcd"), limit=2) == 'write(2, "ab"..., 4) = 4'


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ('a"b', r'"a\"b"'),
        ("t\tn\n\x01\x012\x7f", r'"t\tn\n\1\0012\177"'),
        ("\x00\x1b[0m", r'"\0\33[0m"'),
        ("jürgen", '"jürgen"'),
        (printable(b'a\\b\xff"\n'), r'"a\\b\xff\"\n"'),
    ],
)
def test_texts_are_quoted_as_c_strings(text: str, quoted: str) -> None:
    assert quote(text) == quoted


def test_a_cut_never_splits_an_escape() -> None:
    assert quote(printable(b"\xff" * 3), 2) == r'"\xff\xff"...'
    assert quote(printable(b"\\\\\\"), 3) == r'"\\\\\\"'


@given(st.binary(), st.none() | st.integers(0, 20))
def test_a_quoted_text_is_one_line_with_closed_quotes(raw: bytes, limit: int | None) -> None:
    text = quote(printable(raw), limit)
    assert re.fullmatch(
        r'"(?:[^"\\\x00-\x1f\x7f]|\\(?:["\\ntrvf]|[0-7]{1,3}|x[0-9a-f]{2}))*"(?:\.\.\.)?', text, re.DOTALL
    )


registers = st.lists(st.integers(0, 2**64 - 1), max_size=6).map(tuple)


@given(
    st.sampled_from(["openat", "open", "rename", "mkdir", "access", "ioctl", "nothing"]), registers, st.lists(st.text())
)
def test_any_failing_call_can_be_rendered(syscall: str, args: tuple[int, ...], paths: list[str]) -> None:
    line = render(failing(syscall, *paths, args=args))
    assert line.startswith(f"{syscall}(")
    assert line.endswith(ENOENT)
    assert all(quote(path) in line for path in paths)
