"""Failed links, told with the words that ld 2.40 really writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.unit.rules.scenes import Scene

HERE = "/home/u/hello"
GO_LINK = "/tmp/go-link-17"


def fails_to_link(scene: Scene, flags: str, *lines: str, command: str = "gcc -m64") -> int:
    """A link that ends with these lines of ld; the pid of ld."""
    words = f"{GO_LINK}/go.o {GO_LINK}/000000.o {flags}"
    with (
        scene.link() as link,
        scene.run(link, f"{command} -o a.out {words}", 1) as gcc,
        scene.run(gcc, f"collect2 -o a.out {words}", 1) as collect2,
        scene.run(collect2, f"/usr/bin/ld -o a.out {words}", 1) as ld,
    ):
        for line in lines:
            scene.story.writes(ld, f"{line}\n")
        scene.story.writes(collect2, "collect2: error: ld returned 1 exit status\n")
    return ld


def compiles(scene: Scene, package: str, *sources: str, cwd: str = HERE) -> None:
    """cgo's and the C compiler's runs for the C files of a package; all of them succeed."""
    folder = f"/tmp/go-build99/b{len(package):03}"
    words = ["/usr/local/go/pkg/tool/linux_amd64/cgo", "-objdir", f"{folder}/", "-importpath", package, "--", "a.go"]
    with scene.run(1, words):
        pass
    for number, source in enumerate(sources):
        with scene.run(1, f"gcc -I {cwd} -fPIC -m64 -o {folder}/_x{number:03}.o -c {source}", cwd=cwd):
            pass


def archive(
    scene: Scene,
    pid: int,
    path: str,
    position: int,
    *,
    argument: str = "",
    defines: Sequence[str] = (),
    needs: Sequence[str] = (),
    cplusplus: Sequence[str] = (),
) -> None:
    """What the capture read in an archive of a failed link."""
    data: dict[str, Any] = {"defines": list(defines), "needs": list(needs), "cplusplus": list(cplusplus), "pid": pid}
    scene.story.fact("archive", path, argument=argument or path, positions=[position], **data)
