"""The environment `overlay`, really entered: all can be changed in it, packages come and go, nothing of it stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gotrace.scenario import apt, runner
from gotrace.scenario.environments import LastingSpace, space
from gotrace.scenario.loader import ScenarioError, load
from gotrace.scenario.plan import Plan
from gotrace.scenario.result import Status
from tests.integration.ordinary_user import ordinary_user
from tests.integration.watching import wait_for

pytestmark = [pytest.mark.root("only root can mount an overlay on the whole system"), pytest.mark.timeout(600)]

Done = subprocess.CompletedProcess[str]
WATCHED = ("/", "/etc/apt/apt.conf.d", "/usr/bin", "/usr/local/bin", "/usr/sbin", "/var/lib/dpkg/info")


@dataclass(frozen=True)
class Inside:
    """A shell in one overlay."""

    plan: Plan
    work: Path

    def __call__(self, line: str) -> Done:
        return subprocess.run(
            [*self.plan.program(), "sh", "-c", line],
            cwd=self.work, env=environment(self.work), capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip


def environment(work: Path) -> dict[str, str]:
    """With a build cache beside the act's folder."""
    return {**os.environ, "GOCACHE": str(work.parent / "cache"), "LC_ALL": "C"}


def nothing_printed(holding: str) -> Sequence[str]:
    raise AssertionError(holding)


@contextmanager
def opened(
    work: Path, settings: Mapping[str, Any], printed: Callable[[str], Sequence[str]] = nothing_printed
) -> Iterator[Inside]:
    kind = space("overlay")
    assert isinstance(kind, LastingSpace)
    with kind.opened(settings, work, environment(work), printed) as plan:
        yield Inside(plan, work)


@pytest.fixture(autouse=True)
def _possible() -> None:
    if lacks := space("overlay").lacks({"remove": ["x"]}):
        pytest.skip("; ".join(lacks))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """An act's folder, and the build cache beside it."""
    (tmp_path / "cache").mkdir()
    (tmp_path / "act").mkdir()
    return tmp_path / "act"


@pytest.fixture(autouse=True)
def _machine_unchanged() -> Iterator[None]:
    """Names and times of what an overlay could have changed are as before."""
    before = machine()
    yield
    assert machine() == before


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def machine() -> dict[str, object]:
    """What this file's overlays change, and other programs meanwhile do not (others make users, in /etc)."""
    files = ("/var/lib/dpkg/status", "/usr/bin/env", "/usr/include/stdio.h")
    return {
        **{file: (Path(file).stat().st_ino, Path(file).stat().st_uid) for file in files},
        **{folder: names(folder) for folder in WATCHED},
        "status": Path(files[0]).read_bytes(),
        "made": sorted(map(str, Path("/etc").glob("gotrace-probe*"))),
    }


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that nobody else has, with a program and a script that dpkg runs as root."""
    root = tmp_path / "package"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "usr/bin").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: gotrace-probe\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n"
        "Description: a package for one test\n"
    )
    (root / "DEBIAN/postinst").write_text("#!/bin/sh -e\nid -u > /etc/gotrace-probe\nchown 1:1 /etc/gotrace-probe\n")
    (root / "usr/bin/gotrace-probe").write_text("#!/bin/sh\necho installed\n")
    for path in (root / "DEBIAN/postinst", root / "usr/bin/gotrace-probe"):
        path.chmod(0o755)
    file = tmp_path / "gotrace-probe.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, file], check=True, capture_output=True, timeout=60)
    return file


def test_all_can_be_changed_and_nothing_of_it_stays(work: Path) -> None:
    with opened(work, {}) as inside:
        done = inside(
            "rm -r /usr/include /etc/passwd; mv /usr/bin/env /usr/bin/no-env; echo new > /etc/gotrace-probe;"
            "chown 1:1 /var/lib/dpkg/status; mkdir /gotrace-probe; ls /usr/include /etc/passwd; cat /etc/gotrace-probe"
        )
        assert done.stdout == "new\n"
        assert done.stderr.count("No such file or directory") == 2
    with opened(work, {}) as inside:
        assert inside("ls -d /usr/include /etc/passwd /usr/bin/env").returncode == 0
        assert inside("ls /etc/gotrace-probe /gotrace-probe").stdout == ""


def test_programs_started_one_after_another_are_in_the_same(work: Path) -> None:
    with opened(work, {}) as inside:
        inside("echo first > /etc/gotrace-probe; rm /usr/bin/env")
        assert inside("cat /etc/gotrace-probe").stdout == "first\n"
        assert inside("env").returncode == 127
        with opened(work, {}) as other:
            assert other("cat /etc/gotrace-probe").returncode == 1
            assert other("env").returncode == 0


def test_the_acts_folder_and_the_build_cache_and_the_kernels_files_are_the_real_ones(work: Path) -> None:
    (work.parent / "recordings").mkdir()
    with opened(work, {}) as inside:
        assert inside("pwd").stdout == f"{work}\n"
        inside("echo > here; echo > ../cache/there; echo > ../recordings/that; echo > ../lost")
        assert inside("readlink /proc/self/ns/pid").stdout.strip() == str(Path("/proc/self/ns/pid").readlink())
        assert inside("ls /sys").stdout.split() == names("/sys")
        assert inside("stat -c %t:%T /dev/null").stdout == "1:3\n"
    assert (work / "here").exists()
    assert (work.parent / "cache/there").exists()
    assert (work.parent / "recordings/that").exists()
    assert not (work.parent / "lost").exists()


def test_folders_behind_links_are_the_real_ones_too(work: Path) -> None:
    (work.parent / "elsewhere/act").mkdir(parents=True)
    (work.parent / "link").symlink_to(work.parent / "elsewhere")
    with opened(work.parent / "link/act", {}) as inside:
        assert inside("echo > here; pwd -P").stdout == f"{work.parent}/elsewhere/act\n"
    assert (work.parent / "elsewhere/act/here").exists()


def test_another_file_system_is_covered_as_well(work: Path) -> None:
    """A layer over the root would leave alone what is mounted below it, as /var or /home on many machines."""
    around = space("mount").plan({"tmpfs": {"$WORK/../mounted": "1m"}}, work).program()
    (work.parent / "mounted").mkdir()
    within = space("overlay").plan({}, work).program()
    line = 'cd ..; echo outside > mounted/x; cd act; "$@"; cat ../mounted/x'
    change = "cat ../mounted/x; echo inside > ../mounted/x; cat ../mounted/x"
    done = subprocess.run(
        [*around, "sh", "-c", line, "_", *within, "sh", "-c", change],
        cwd=work, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["outside", "inside", "outside"], done.stderr


def test_hidden_files_are_removed_and_can_come_back(work: Path) -> None:
    settings = {"hide": ["env", "/usr/include/std*.h", "$WORK/mine"], "texts": {"/usr/local/bin/tool": "#!/bin/sh\n"}}
    (work / "mine").mkdir()
    with opened(work, settings) as inside:
        assert inside("env; ls /usr/include/stdio.h").stdout == ""
        assert inside("tool").returncode == 0
        assert inside("echo text > /usr/include/stdio.h && cat /usr/include/stdio.h").stdout == "text\n"
    assert not (work / "mine").exists()


def test_root_that_may_not_mount_is_told_so() -> None:
    """As in most containers. A user namespace would take the overlay, and none of the files that dpkg gives away."""
    asked = "from gotrace.scenario.environments import space; print(*space('overlay').lacks({}))"
    done = subprocess.run(
        ["setpriv", "--bounding-set", "-sys_admin", "--", sys.executable, "-c", asked],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("needs root that may mount an overlay: ")


@pytest.mark.parametrize("path", ["/dev/null", "/proc/version", "/sys/kernel", "$GOCACHE/entry"])
def test_what_is_real_also_in_an_overlay_is_not_removed(work: Path, path: str) -> None:
    (work.parent / "cache/entry").write_text("kept")
    with pytest.raises(ScenarioError, match="is the real one also in an overlay"), opened(work, {"hide": [path]}):
        pass
    assert (work.parent / "cache/entry").exists()


def test_what_cannot_be_set_up_says_why(work: Path) -> None:
    with (
        pytest.raises(ScenarioError, match="overlay: this environment cannot be set up: there is no /no-such-file"),
        opened(work, {"hide": ["/no-such-file"]}),
    ):
        pass


def test_a_package_is_installed_by_root_and_removed(work: Path, package: Path) -> None:
    with opened(work, {"install": [str(package)]}) as inside:
        assert inside("gotrace-probe").stdout == "installed\n"
        assert inside("cat /etc/gotrace-probe; stat -c %u /etc/gotrace-probe").stdout.split() == ["0", "1"]
        assert "ii  gotrace-probe" in inside("dpkg -l gotrace-probe").stdout
        apt.Apt(inside.plan).remove(["gotrace-probe", "not-installed-and-unknown"])
        assert inside("gotrace-probe").returncode == 127
    assert subprocess.run(["dpkg", "-s", "gotrace-probe"], capture_output=True, check=False).returncode


def test_a_printed_command_is_performed_word_by_word(work: Path) -> None:
    asked = []

    def printed(holding: str) -> Sequence[str]:
        asked.append(holding)
        return ("sudo", "sh", "-c", 'printf "%s|" "$@" > /etc/gotrace-probe', "_", "a b", "$HOME", "'")

    with opened(work, {"install": "printed", "holding": "a b"}, printed) as inside:
        assert inside("cat /etc/gotrace-probe").stdout == "a b|$HOME|'|"
    assert asked == ["a b"]


def test_without_a_network_the_cause_is_named(work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apt, "FOLDER", tmp_path / "kept/apt")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with (
        pytest.raises(ScenarioError, match=r"apt-get install -y no-such-package: exit status 100: E: .*127\.0\.0\.1"),
        opened(work, {"install": ["no-such-package"]}),
    ):
        pass


LASTING = """
title = "One overlay for all that an act runs"
environment = "overlay"
[reproduce]
setup = ["id -u > /tmp/setup", "echo 1 > /tmp/count", "test ! -w /etc || rm /usr/bin/env"]
command = ["sh", "-c", "id -u > /tmp/command; cat /tmp/setup /tmp/command; echo 2 >> /tmp/count; exit 0"]
after = ["id -u", "cat /tmp/count", "command -v env || echo gone"]
output = ['\\A{uid}\\n{uid}\\n{uid}\\n1\\n2\\n{env}\\n\\Z']
"""


@pytest.mark.parametrize("backend", ["ebpf", "ptrace"])
def test_set_up_command_and_check_are_in_one_overlay(tmp_path: Path, backend: str) -> None:
    (tmp_path / "lasting.toml").write_text(LASTING.format(uid=0, env="gone"))
    result = runner.run(load(tmp_path / "lasting.toml"), backend)
    assert (result.status, result.why) == (Status.PASSED, "")
    assert Path("/usr/bin/env").exists()


def test_through_sudo_all_of_an_act_but_the_installation_is_the_users(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from gotrace.scenario import runner, loader; "
        "result = runner.run(loader.load(pathlib.Path(sys.argv[1])), 'ptrace'); print(result.status, result.why)"
    )
    with ordinary_user() as user:
        env = user.environment(SUDO_USER=user.name, SUDO_UID=str(user.uid), SUDO_GID=str(user.gid))
        # As sudo does: TMPDIR is not the user's, so that root makes the scenario's folder where it may.
        env |= {"HOME": "/root", "TMPDIR": "/var/tmp"}
        folder = Path(shutil.which("sh") or "/bin/sh").parent
        text = LASTING.format(uid=user.uid, env=folder / "env")
        file = user.file("lasting.toml", text)
        done = subprocess.run(
            [user.gotrace.parent / "python", "-P", "-c", code, file],
            env=env, cwd="/", capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
        assert done.stdout.strip() == "passed", done.stdout + done.stderr


SLEEPS = """
import os, sys, time
from pathlib import Path
from gotrace.scenario.environments import space
import subprocess
work = Path(sys.argv[1])
with space("overlay").opened({}, work, dict(os.environ), lambda _: ()) as plan:
    line = "echo x > /etc/gotrace-probe; readlink /proc/self/ns/mnt; exec sleep 600"
    subprocess.run([*plan.program(), "sh", "-c", line], cwd=work)
"""


def users_of(namespace: str) -> set[int]:
    """The processes in a mount namespace."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "ns/mnt").readlink()) == namespace:
                found.add(int(process.name))
        except OSError:  # it has ended, or is a zombie
            continue
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("whom", ["all", "the program that opened it"])
def test_nothing_is_left_when_its_processes_are_gone(work: Path, how: signal.Signals, whom: str) -> None:
    process = subprocess.Popen(
        # A background job of a shell ignores SIGINT, and so would all it starts.
        ["env", "--default-signal=INT", sys.executable, "-c", SLEEPS, str(work)],
        env=environment(work), stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    namespace = process.stdout.readline().strip()
    assert len(users_of(namespace)) >= 2
    if whom == "all":
        os.killpg(process.pid, how)
    else:
        os.kill(process.pid, how)
        process.wait(60)
        wait_for(lambda: len(users_of(namespace)) <= 1)  # what keeps it is gone with its opener
        for sleeper in users_of(namespace):
            os.kill(sleeper, signal.SIGKILL)
    process.wait(60)
    wait_for(lambda: not users_of(namespace))
    assert list(work.iterdir()) == []
    assert "gotrace-probe" not in names("/etc")


def test_a_killed_installation_lets_the_next_one_begin(work: Path) -> None:
    """The lock is held by what installs, and goes with it."""
    code = (
        "import os, sys; from pathlib import Path; from gotrace.scenario import apt\n"
        "from gotrace.scenario.environments import space\n"
        "with space('overlay').opened({'install': 'printed'}, Path(sys.argv[1]), dict(os.environ),\n"
        "    lambda _: ('sh', '-c', 'echo $$ > installing; exec sleep 600')): pass\n"
    )
    (apt.ready() / "updated").touch()
    process = subprocess.Popen([sys.executable, "-c", code, str(work)], env=environment(work), cwd=work)
    wait_for(lambda: process.poll() is not None or users_of_lock())
    process.kill()
    process.wait(60)
    with opened(work, {"install": "printed"}, lambda _: ("true",)) as inside:
        assert inside("true").returncode == 0


def users_of_lock() -> bool:
    """Somebody holds the lock of apt's folder (proc_locks(5))."""
    status = (apt.FOLDER / "lock").stat()
    return any(line.split()[5].endswith(f":{status.st_ino}") for line in Path("/proc/locks").read_text().splitlines())
