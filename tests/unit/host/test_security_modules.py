"""Security modules: what the kernel lists, what files list where it does not, and what they say of themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.host import security_modules
from gotrace.host.security_modules import active, lockdown, selinux_enforces


def kernel(monkeypatch: pytest.MonkeyPatch, numbers: list[int] | None, landlock: int = 0) -> None:
    """A kernel that lists these (None: it knows no such call)."""

    def syscall(number: int, *arguments: object) -> int:
        if number == 444:
            return landlock or -1
        if numbers is None:
            return -1
        listed: list[int] = arguments[0]  # type: ignore[assignment]  # an array of C
        listed[: len(numbers)] = numbers
        return len(numbers)

    monkeypatch.setattr(security_modules, "_syscall", syscall)


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """All files that would tell."""
    for name in ("_LIST", "_LOCKDOWN", "_SELINUX"):
        monkeypatch.setattr(security_modules, name, tmp_path / "file")
    return tmp_path / "file"


@pytest.mark.usefixtures("file")
def test_the_kernel_lists_them_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(monkeypatch, [108, 100, 110, 999])
    assert active() == ("lockdown", "capability", "landlock", "number 999")


def test_a_file_lists_them_where_the_kernel_does_not(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    kernel(monkeypatch, None)
    assert active() == ()
    file.write_text("capability,yama,apparmor\n")
    assert active() == ("capability", "yama", "apparmor")


@pytest.mark.usefixtures("file")
def test_landlock_answers_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(monkeypatch, None, landlock=3)
    assert active() == ("landlock",)


def test_whether_selinux_enforces(file: Path) -> None:
    assert selinux_enforces() is None
    for text, enforces in (("1", True), ("0", False)):
        file.write_text(text)
        assert selinux_enforces() is enforces


def test_the_mode_of_lockdown(file: Path) -> None:
    assert lockdown() == ""
    for text, mode in (("[none] integrity confidentiality\n", ""), ("none [integrity] confidentiality\n", "integrity")):
        file.write_text(text)
        assert lockdown() == mode
