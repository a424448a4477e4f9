"""Environments of scenarios, each really entered, by root and by an ordinary user: what they promise holds inside."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gotrace.scenario import suites
from gotrace.scenario.loader import ScenarioError
from tests.integration.build_caches import fill
from tests.integration.spaces import Who, needed_by, somebody

ERRORS = "import errno, os, sys\ntry: {}\nexcept OSError as e: print(errno.errorcode[e.errno])\nelse: print('fine')"


@pytest.fixture(scope="module", params=["root", "ordinary"])
def who(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Who]:
    """Who enters: root, and somebody who needs a user namespace for it."""
    with somebody(request.param, tmp_path_factory) as found:
        yield found


def names(folder: Path) -> list[str]:
    """What a folder holds, sorted."""
    return sorted(path.name for path in folder.iterdir())


def python(who: Who, kind: str, settings: Mapping[str, Any], statement: str) -> str:
    """What a statement in Python prints inside, or the name of the error that it fails with."""
    return who.inside(kind, settings, who.python, "-c", ERRORS.format(statement)).stdout.strip()


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("host", {}),
        ("mount", {"hide": ["gcc"], "tmpfs": {"$WORK/small": "1m"}}),
        ("netns", {}),
        ("seccomp", {"errno": {"getpid": "ENOSYS"}}),
        ("rlimit", {"nofile": 64}),
    ],
)
def test_the_program_is_who_it_would_be_outside(who: Who, kind: str, settings: dict[str, Any]) -> None:
    keys = ("Uid:", "Gid:", "CapInh:", "CapPrm:", "CapEff:", "CapAmb:")
    inside, outside = (
        [line for line in who.inside(one, how, "cat", "/proc/self/status").stdout.splitlines() if line.startswith(keys)]
        for one, how in [(kind, settings), ("host", {})]
    )
    assert inside == outside
    assert who.inside(kind, settings, "pwd").stdout == f"{who.work}\n"


@pytest.mark.parametrize("who", ["root"], indirect=True)
def test_root_that_may_not_mount_gets_no_capability_from_the_user_namespace(who: Who) -> None:
    """As in most containers: uid 0 would have all of them in a user namespace of its own."""
    without = ["setpriv", "--bounding-set", "-sys_admin", "--"]
    done = who.run(*without, *who.prefix("mount", {"tmpfs": {"$WORK/small": "1m"}}), "cat", "/proc/self/status")
    held = {line.split()[0]: int(line.split()[1], 16) for line in done.stdout.splitlines() if line.startswith("Cap")}
    assert "Uid:\t0\t" in done.stdout
    assert not held["CapEff:"] >> 21 & 1
    assert not held["CapBnd:"] >> 21 & 1
    assert who.run(*without, *who.prefix("mount", {}), "mount", "-t", "tmpfs", "x", who.work).returncode


def test_hidden_files_and_commands_do_not_exist(who: Who) -> None:
    settings = {"hide": ["as", "/usr/include/std*.h", "/etc/passwd"]}
    done = who.inside("mount", settings, "sh", "-c", "as --version; ls /usr/include/stdio.h /usr/include/errno.h")
    assert "as: not found" in done.stderr
    assert done.stdout == "/usr/include/errno.h\n"
    for path in ("/usr/bin/as", "/usr/include/stdio.h", "/etc/passwd"):
        assert Path(path).exists()
        assert python(who, "mount", settings, f"os.stat({path!r})") == "ENOENT"
        assert python(who, "mount", settings, f"os.execv({path!r}, ['x'])") == "ENOENT"
    assert python(who, "mount", settings, "os.stat('/etc/group')") == "fine"


def test_the_neighbours_of_a_hidden_file_are_as_before(who: Who) -> None:
    listing = (
        "import os; print(*sorted((e.name, e.stat(follow_symlinks=False).st_mode) for e in os.scandir('/usr/bin')))"
    )
    inside = who.inside("mount", {"hide": ["/usr/bin/as"]}, who.python, "-c", listing).stdout
    outside = who.inside("host", {}, who.python, "-c", listing).stdout
    (as_itself,) = {one for one in outside.split(") (") if one.startswith("'as',")}
    assert inside == outside.replace(f"({as_itself}) ", "")


def test_a_hidden_command_is_missed_by_its_caller(who: Who) -> None:
    hidden = {"hide": ["/usr/lib/gcc/*/*/cc1"]}
    done = who.inside("mount", hidden, "gcc", "-x", "c", "-c", "-o", "/dev/null", "/dev/null", LC_ALL="C")
    assert done.returncode == 1
    assert "cannot execute 'cc1': execvp: No such file or directory" in done.stderr


def test_a_file_with_another_text(who: Who) -> None:
    settings = {"texts": {"/etc/hosts": "192.0.2.1 nowhere\n"}}
    assert who.inside("mount", settings, "cat", "/etc/hosts").stdout == "192.0.2.1 nowhere\n"


def test_what_is_mounted_below_a_changed_folder_stays(who: Who) -> None:
    outer = who.work / "outer"
    (outer / "kept").mkdir(parents=True, exist_ok=True)
    (outer / "folder").mkdir(exist_ok=True)
    for name in ("hidden", "other", "folder/file"):
        (outer / name).write_text("as before\n")
    if not (outer / "link").is_symlink():
        (outer / "link").symlink_to("folder/file")
    around = who.prefix("mount", {"tmpfs": {"$WORK/outer/kept": "1m"}})
    inside = who.prefix("mount", {"hide": ["$WORK/outer/hidden"], "texts": {"$WORK/outer/other": "changed\n"}})
    look = "ls outer outer/kept; cat outer/link outer/other; readlink outer/link; echo > outer/new"
    done = who.run(*around, "sh", "-c", 'touch outer/kept/new; exec "$@"', "_", *inside, "sh", "-c", look)
    assert done.stdout.split("\n") == [
        *("outer:", "folder", "kept", "link", "other", "", "outer/kept:", "new"),
        *("as before", "changed", "folder/file", ""),
    ]
    assert "cannot create outer/new: Read-only file system" in done.stderr
    assert names(outer) == ["folder", "hidden", "kept", "link", "other"]
    assert (outer / "other").read_text() == "as before\n"


def test_folders_within_each_other_can_all_be_changed(who: Who) -> None:
    settings = {"hide": ["/usr/lib/gcc/*/*/cc1", "/usr/lib/gcc/*/*/collect2", "/usr/lib/os-release"]}
    for one in ("cc1", "collect2"):
        path = next(Path("/usr/lib/gcc").glob(f"*/*/{one}"))
        assert python(who, "mount", settings, f"os.stat({str(path)!r})") == "ENOENT"
        assert python(who, "mount", settings, f"os.stat({str(path.parent / 'libgcc.a')!r})") == "fine"
    assert python(who, "mount", settings, "os.stat('/usr/lib/os-release')") == "ENOENT"


def test_a_small_file_system_is_full_soon(who: Who) -> None:
    settings = {"tmpfs": {"$WORK/small": "64k"}}
    assert python(who, "mount", settings, "open('small/x', 'wb').write(bytes(1 << 20))") == "ENOSPC"
    assert python(who, "mount", settings, "open('small/x', 'wb').write(bytes(1 << 15))") == "fine"
    assert names(who.work / "small") == []


def test_a_read_only_folder(who: Who) -> None:
    settings = {"readonly": ["$WORK/fixed"]}
    assert python(who, "mount", settings, "open('fixed/x', 'w')") == "EROFS"
    assert python(who, "mount", settings, "open('x', 'w')") == "fine"


def test_a_folder_in_which_nothing_is_executed(who: Who) -> None:
    (who.work / "still").mkdir(exist_ok=True)
    shutil.copy(shutil.which("true") or "", who.work / "still/program")
    (who.work / "still/program").chmod(0o755)
    settings = {"noexec": ["$WORK/still"]}
    assert python(who, "mount", settings, "os.execv('still/program', ['x'])") == "EACCES"
    assert python(who, "mount", settings, "open('still/program', 'rb')") == "fine"


def test_another_path(who: Who) -> None:
    done = who.inside("mount", {"path": "$WORK/bin:/bin"}, "sh", "-c", 'echo "$PATH"')
    assert done.stdout == f"{who.work}/bin:/bin\n"


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({"hide": ["/usr/lib/no-such-file"]}, "there is no /usr/lib/no-such-file that could be hidden"),
        ({"readonly": ["/no-such-folder"]}, "/no-such-folder: No such file or directory"),
    ],
)
def test_what_cannot_be_set_up_starts_nothing_and_says_why(who: Who, settings: dict[str, Any], about: str) -> None:
    done = who.inside("mount", settings, "echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == f"gotrace: this environment cannot be set up: {about}\n"


def test_there_is_no_network_but_loopback(who: Who) -> None:
    unreachable = "import socket; socket.create_connection(('192.0.2.1', 80), 5)"
    assert python(who, "netns", {}, unreachable) == "ENETUNREACH"
    listening = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname(), 5)"
    )
    assert python(who, "netns", {}, listening) == "fine"
    assert python(who, "netns", {"lo": False}, listening) != "fine"
    assert who.inside("netns", {}, "ls", "/sys/class/net").returncode == 0
    devices = who.inside("netns", {}, "cat", "/proc/net/dev").stdout
    assert [line.split(":")[0].strip() for line in devices.splitlines() if ":" in line] == ["lo"]


@pytest.mark.parametrize(
    ("dns", "text"), [("broken", "nameserver 127.0.0.1\n"), ("192.0.2.1", "nameserver 192.0.2.1\n"), ("none", "")]
)
def test_the_name_servers_of_a_network_of_ones_own(who: Who, dns: str, text: str) -> None:
    done = who.inside("netns", {"dns": dns}, "cat", "/etc/resolv.conf")
    assert done.stdout == text
    assert bool(done.returncode) == (dns == "none")


def test_broken_name_resolution_fails_at_once(who: Who) -> None:
    resolve = "import socket\ntry: socket.getaddrinfo('example.com', 80)\nexcept socket.gaierror as e: print(e.errno)"
    done = who.inside("netns", {"dns": "broken"}, who.python, "-c", resolve)
    assert done.stdout == "-3\n"  # EAI_AGAIN


def test_refused_system_calls(who: Who) -> None:
    settings = {"errno": {"mkdir": "ENOSYS", "symlink": "EPERM"}}
    assert python(who, "seccomp", settings, "os.mkdir('made')") == "ENOSYS"
    assert python(who, "seccomp", settings, "os.symlink('x', 'link')") == "EPERM"
    assert python(who, "seccomp", settings, "os.listdir('.')") == "fine"
    of_a_child = "import subprocess; print(subprocess.run(['mkdir', 'made'], stderr=-1).stderr.decode())"
    assert "Function not implemented" in who.inside("seccomp", settings, who.python, "-c", of_a_child).stdout


def test_limits(who: Who) -> None:
    settings = {"nofile": 16, "fsize": "1k", "as": "300m"}
    assert python(who, "rlimit", settings, "[open('/dev/null') for _ in range(20)]") == "EMFILE"
    assert who.inside("rlimit", settings, "sh", "-c", "ulimit -n; ulimit -v").stdout.split() == ["16", str(300 << 10)]
    killed = who.inside("rlimit", settings, "dd", "if=/dev/zero", f"of={who.work}/big", "bs=2k", "count=1")
    assert killed.returncode == -25  # SIGXFSZ
    big = who.inside("rlimit", {"as": "300m"}, who.python, "-c", "bytearray(1 << 30)")
    assert "MemoryError" in big.stderr


def test_an_empty_root_has_only_what_it_was_given(who: Who) -> None:
    files = {"/app": "$WORK/app", **needed_by("/bin/ls")}
    shutil.copy("/bin/ls", who.work / "app")
    settings = {"files": files, "texts": {"/etc/motd": "empty"}, "proc": False}
    done = who.inside("scratch", settings, "/app", "-1", "/", "/etc")
    top = sorted({Path(path).parts[1] for path in files} | {"etc"})
    assert done.stdout.split() == ["/:", *top, "/etc:", "motd"]
    missing = who.inside("scratch", settings, "sh")
    assert (missing.returncode, missing.stderr) == (127, "gotrace: sh: No such file or directory\n")


def test_a_program_without_its_loader_is_not_found_in_an_empty_root(who: Who) -> None:
    done = who.inside("scratch", {"files": ["/bin/ls"]}, "/ls")
    assert (done.returncode, done.stderr) == (127, "gotrace: /ls: No such file or directory\n")


def test_a_root_of_ones_own(who: Who) -> None:
    root = who.work.parent / "root-of-mine"
    if not root.exists():
        for inside, outside in {"/bin/sh": "/bin/sh", "/bin/cat": "/bin/cat", **needed_by("/bin/cat")}.items():
            (root / inside[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(outside, root / inside[1:])
        (root / "etc").mkdir()
        (root / "etc/here").write_text("inside\n")
    (who.work / "note").write_text("bound\n")
    line = f"cat /etc/here {who.work}/note; echo x > /tmp/x && cat /tmp/x; echo > /etc/new; echo > {who.work}/new"
    done = who.inside("chroot", {"name": str(root)}, "sh", "-c", line)
    assert done.stdout == "inside\nbound\nx\n"
    assert "cannot create /etc/new: Read-only file system" in done.stderr
    assert (who.work / "new").exists()
    assert names(root) == ["bin", "etc", *sorted({Path(p).parts[1] for p in needed_by("/bin/cat")})]
    changed = {"name": str(root), "texts": {"/etc/here": "changed\n", "/etc/more": "new\n"}}
    assert who.inside("chroot", changed, "cat", "/etc/here", "/etc/more").stdout == "changed\nnew\n"
    assert (root / "etc/here").read_text() == "inside\n"


@pytest.mark.slow
@pytest.mark.timeout(1900)
def test_bullseye_has_its_own_glibc_and_the_hosts_go(who: Who) -> None:
    if shutil.which("debootstrap") is None:
        pytest.skip("needs debootstrap: apt-get install debootstrap")
    if lacks := suites.lacks(suites.Suite("bullseye", ("gcc", "libc6-dev"))):
        pytest.skip(lacks[0])
    try:
        prefix = who.prefix("chroot", {"name": "bullseye"})
    except ScenarioError as error:
        pytest.skip(error.message)
    (who.work / "main.go").write_text(
        "package main\n\n// #include <gnu/libc-version.h>\n"
        'import "C"\n\nfunc main() { println(C.GoString(C.gnu_get_libc_version())) }\n'
    )
    env = {"GOCACHE": str(who.work / "cache"), "GOTOOLCHAIN": "local", "GOFLAGS": "", "CGO_ENABLED": "1", "CC": "gcc"}
    fill(who.work / "cache", who.uid)
    line = "ldd --version | head -n 1; go build -o app main.go && ./app; id -u"
    done = who.run(*prefix, "sh", "-c", line, **env)
    assert done.stderr == "2.31\n"
    assert "GLIBC 2.31" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[-1] == str(who.uid)


def test_musl_is_the_compiler_of_what_names_none(who: Who) -> None:
    for given, expected in [({"CC": ""}, "musl-gcc"), ({"CC": "tcc"}, "tcc")]:
        assert who.inside("musl", {}, "sh", "-c", 'echo "$CC"', **given).stdout == f"{expected}\n"


def test_a_program_for_glibc_is_not_found_in_a_root_of_musl(who: Who) -> None:
    if shutil.which("musl-gcc") is None:
        pytest.skip("needs musl-gcc: apt-get install musl-tools")
    source = who.work / "a.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("ran"); return 0; }\n')
    for compiler in ("gcc", "musl-gcc"):
        subprocess.run([compiler, "-o", who.work / compiler, source], check=True)
    settings = {"files": ["$WORK/gcc", "$WORK/musl-gcc"]}
    assert who.inside("musl-root", settings, "/musl-gcc").stdout == "ran\n"
    assert who.inside("musl-root", settings, "/gcc").returncode == 127
