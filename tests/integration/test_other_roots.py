"""Tools that ran below another root: facts are of the files there, however the root was made, or there are none."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gotrace import load, record
from gotrace.rules.systems import system
from gotrace.trace.model import Trace
from tests.integration.ordinary_user import OrdinaryUser, ordinary_user

COMPILER = r"""
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    sleep(1); /* of namespaces whose tools all end within a fiftieth of a second nothing can be said */
    open("/usr/local/include/stdio.h", O_RDONLY);
    open("/usr/include/stdio.h", O_RDONLY);
    fprintf(stderr, "a.c:1:10: fatal error: stdio.h: No such file or directory\n");
    return 1;
}
"""
"""What cc1 does where it finds a header in no folder. Outside, /usr/include has this one."""
OS_RELEASE = 'ID=debian\nVERSION_ID="11"\nVERSION_CODENAME=bullseye\n'

pytestmark = pytest.mark.root("only root may change its root folder")


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiler")
    (folder / "cc1.c").write_text(COMPILER)
    subprocess.run(["gcc", "-static", "-o", folder / "cc1", folder / "cc1.c"], check=True)
    return folder / "cc1"


@pytest.fixture
def jail(compiler: Path) -> Iterator[Path]:
    """A root folder that everybody may enter, of a system that has one header and one compiler."""
    with tempfile.TemporaryDirectory(prefix="gotrace-test-", dir="/var/tmp") as name:
        root = Path(name)
        root.chmod(0o755)
        for folder in ("bin", "etc", "usr/include/only/inside", "proc"):
            (root / folder).mkdir(parents=True)
        (root / "etc/os-release").write_text(OS_RELEASE)
        (root / "usr/include/only/inside/stdio.h").touch()
        shutil.copy(compiler, root / "bin/cc1")
        yield root


def told(trace: Trace) -> list[str]:
    """Where the header is, as the facts say."""
    fact = trace.fact("header", "stdio.h")
    assert fact is not None
    assert fact["complete"]
    return list(fact["found"])


def refusals(trace: Trace) -> list[str]:
    """Why nobody looked."""
    assert trace.fact("header") is None
    return [str(fact.data["reason"]) for fact in trace.facts_of("probe_failed") if fact.data["about"] == "root"]


WAYS: dict[str, Callable[[Path], list[str]]] = {
    "chroot": lambda root: ["chroot", str(root), "/bin/cc1", "a.c"],
    "in a mount namespace": lambda root: ["unshare", "-m", "chroot", str(root), "/bin/cc1", "a.c"],
    "mounted there only": lambda root: [
        *("unshare", "-m", "sh", "-c", 'mount --bind "$1" /mnt && exec chroot /mnt /bin/cc1 a.c', "sh", str(root))
    ],
    "pivot_root": lambda root: [
        *("unshare", "-m", "--propagation", "private", "sh", "-c"),
        'mount --bind "$1" "$1" && cd "$1" && pivot_root . proc && exec /bin/cc1 a.c',
        *("sh", str(root)),
    ],
}


@pytest.mark.parametrize("backend", ["ebpf", "ptrace"])
@pytest.mark.parametrize("way", WAYS)
def test_files_are_those_that_the_tool_saw(jail: Path, way: str, backend: str) -> None:
    trace = record(WAYS[way](jail), backend=backend)

    assert told(trace) == ["/usr/include/only/inside/stdio.h"]
    assert (system(trace).distribution, system(trace).version) == ("debian", "11")


@pytest.mark.parametrize("backend", ["ebpf", "ptrace"])
def test_a_root_that_was_unmounted_is_not_mistaken_for_an_empty_one(jail: Path, tmp_path: Path, backend: str) -> None:
    script = 'mount --bind "$1" "$2"; chroot "$2" /bin/cc1 a.c; umount "$2"; exit 1'

    trace = record(["sh", "-c", script, "sh", str(jail), str(tmp_path)], backend=backend)

    assert refusals(trace) == [f"the tools ran in another root folder ({tmp_path}): its files are gone"]
    assert not os.path.ismount(tmp_path)


@pytest.mark.parametrize("backend", ["ebpf", "ptrace"])
def test_nothing_is_kept_that_its_owner_waits_for(jail: Path, tmp_path: Path, backend: str) -> None:
    """A file system on a device: with its last mount it must be gone, or the device would stay busy."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-d", str(jail), str(image)], check=True)
    inside = 'mount "$1" /mnt && chroot /mnt /bin/cc1 a.c'
    script = f'unshare -m sh -c \'{inside}\' sh "$1"; losetup -a | grep -F "$1" > "$2"; exit 1'
    left = tmp_path / "left"

    trace = record(["sh", "-c", script, "sh", str(image), str(left)], backend=backend)

    assert left.read_text() == ""
    assert refusals(trace) == [
        "the tools ran in another root folder of another mount namespace (/mnt): "
        "it has a file system of its own, and was not kept"
    ]


def test_no_program_of_another_root_is_run(jail: Path) -> None:
    """gotrace may have more rights than what ran there."""
    (jail / "bin/cc1").rename(jail / "bin/gcc")

    trace = record(["chroot", str(jail), "/bin/gcc", "a.c"], backend="ptrace")

    assert trace.fact("compiler") is None
    (reason,) = [fact.data["reason"] for fact in trace.facts_of("probe_failed") if fact.data["about"] == "compiler"]
    assert reason == f"it ran in another root folder ({jail}), where gotrace starts no program"


@pytest.fixture(scope="module")
def user() -> Iterator[OrdinaryUser]:
    with ordinary_user() as somebody:
        yield somebody


@pytest.mark.parametrize("way", ["chroot", "in a mount namespace"])
def test_an_ordinary_user_looks_into_what_they_could_enter(jail: Path, user: OrdinaryUser, way: str) -> None:
    mounts = [] if way == "chroot" else ["-m"]
    command = ["unshare", "--map-root-user", *mounts, "/usr/sbin/chroot", str(jail), "/bin/cc1", "a.c"]
    saved = user.home / f"{way}.gotrace"
    traced = subprocess.run(
        user.run_as(user.gotrace, "build", "--backend", "ptrace", "-o", saved, "--", *command),
        env=user.environment(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if "unshare failed" in traced.stderr:
        pytest.skip("user namespaces are not allowed here: sysctl kernel.unprivileged_userns_clone=1")

    assert traced.returncode == 1, traced.stderr
    assert told(load(saved)) == ["/usr/include/only/inside/stdio.h"]
