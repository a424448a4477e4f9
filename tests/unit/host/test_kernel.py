"""What the kernel offers, read from its files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.host import distribution, kernel
from gotrace.host.kernel import (
    bcc_location,
    bcc_remedy,
    capability_mask,
    effective_capabilities,
    lockdown_mode,
    may_trace,
)


def test_capabilities_are_bits_of_cap_eff() -> None:
    # CAP_PERFMON is bit 38, CAP_BPF bit 39.
    assert effective_capabilities("Name:\tx\nCapPrm:\tffffffffff\nCapEff:\t000000c000000000\n") == {
        "CAP_PERFMON",
        "CAP_BPF",
    }
    assert effective_capabilities("CapEff:\t0000000000200000\n") == {"CAP_SYS_ADMIN"}
    assert effective_capabilities("CapEff:\t0000000000000000\n") == set()


def test_each_set_of_capabilities_has_its_own_line() -> None:
    status = "Name:\tCapPrm: 1\nCapPrm:\t0000000000000005\nCapEff:\t0000000000000001\n"
    assert capability_mask(status, "CapPrm") == 5
    assert capability_mask(status, "CapEff") == 1
    assert capability_mask(status, "CapAmb") == 0
    assert capability_mask("CapPrm:\tnone\n", "CapPrm") == 0


def test_how_bcc_is_installed_depends_on_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the package that pip would find by the name is not it."""
    for system, start in (("fedora", "dnf install python3-bcc "), ("slackware", "install BCC's Python bindings ")):
        monkeypatch.setattr(distribution, "distribution", lambda system=system: distribution.Distribution(system))
        assert bcc_remedy().startswith(start)
        assert "PyPI" in bcc_remedy()


@given(st.text())
def test_no_status_file_breaks_it(text: str) -> None:
    assert effective_capabilities(text) <= {"CAP_SYS_ADMIN", "CAP_PERFMON", "CAP_BPF"}


@pytest.mark.parametrize(
    ("held", "enough"),
    [
        ({"CAP_SYS_ADMIN"}, True),
        ({"CAP_BPF", "CAP_PERFMON"}, True),
        ({"CAP_BPF"}, False),
        ({"CAP_PERFMON"}, False),
        (set(), False),
    ],
)
def test_tracing_takes_two_capabilities_or_the_old_one(held: set[str], enough: bool) -> None:
    assert may_trace(held) is enough


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("[none] integrity confidentiality\n", "none"),
        ("none integrity [confidentiality]\n", "confidentiality"),
        ("", "none"),
    ],
)
def test_brackets_mark_the_lockdown_mode(text: str, mode: str) -> None:
    assert lockdown_mode(text) == mode


def test_lockdown_that_forbids_reading_kernel_memory_is_a_lack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "lockdown"
    file.write_text("none integrity [confidentiality]\n")
    monkeypatch.setattr(kernel, "_LOCKDOWN", file)
    check = next(check for check in kernel.checks() if check.name == "kernel lockdown")
    assert check.ok is False
    assert "lockdown=confidentiality" in check.remedy


def test_a_package_that_is_merely_called_bcc_is_not_bcc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lattice, real = tmp_path / "a", tmp_path / "b"
    for folder in (lattice, real):
        (folder / "bcc").mkdir(parents=True)
        (folder / "bcc" / "__init__.py").touch()
    monkeypatch.setattr(kernel, "_BCC_FOLDERS", (str(lattice), str(real)))
    monkeypatch.setattr(kernel, "_BCC_PATTERNS", ())
    assert bcc_location() is None
    (real / "bcc" / "libbcc.py").touch()
    assert bcc_location() == real / "bcc"


def test_bcc_is_not_taken_from_where_python_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root imports what is found, and `python -m gotrace` has the current folder in sys.path."""
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc" / "libbcc.py").touch()
    monkeypatch.setattr(kernel, "_BCC_FOLDERS", ())
    monkeypatch.setattr(kernel, "_BCC_PATTERNS", ())
    monkeypatch.syspath_prepend(str(tmp_path))
    assert bcc_location() is None


def test_what_needs_privileges_is_unknown_without_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("CapEff:\t0000000000000000\n")
    monkeypatch.setattr(kernel, "_STATUS", status)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    checks = {check.name: check for check in kernel.checks()}
    assert checks["ring buffer"].ok is None
    assert checks["privileges"].ok is False
    assert checks["privileges"].remedy


def test_that_sudo_is_installed_says_not_that_it_may_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel, "_STATUS", tmp_path / "missing")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    (check,) = (check for check in kernel.checks() if check.name == "privileges")
    assert check.ok is None
    assert "not known" in check.detail
    assert check.remedy == "gotrace build --sudo -- COMMAND"


def test_what_only_ebpf_needs_is_no_lack_where_it_is_not_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kernel, "_BTF", tmp_path / "missing")
    monkeypatch.setattr(kernel, "_BCC_FOLDERS", ())
    monkeypatch.setattr(kernel, "_BCC_PATTERNS", ())
    for needed, ok in ((True, False), (False, None)):
        checks = {check.name: check for check in kernel.checks(ebpf_needed=needed)}
        assert (checks["kernel BTF"].ok, checks["BCC"].ok) == (ok, ok)
        assert checks["BCC"].remedy
        assert checks["architecture"].ok is (os.uname().machine == "x86_64")


@pytest.mark.parametrize(
    ("mode", "capabilities", "ok", "remedy"),
    [
        ("", 0, True, ""),
        ("0\n", 0, True, ""),
        ("1\n", 0, True, ""),
        ("2\n", 0, None, "sysctl kernel.yama.ptrace_scope=1"),
        ("2\n", 1 << 19, True, ""),
        ("3\n", 1 << 19, None, "until the next boot"),
        ("4\n", 0, None, ""),
    ],
)
def test_each_mode_of_yama_says_whether_ptrace_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str, capabilities: int, ok: bool | None, remedy: str
) -> None:
    (tmp_path / "status").write_text(f"CapEff:\t{capabilities:016x}\n")
    if mode:
        (tmp_path / "yama").write_text(mode)
    monkeypatch.setattr(kernel, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(kernel, "_YAMA", tmp_path / "yama")
    (check,) = (check for check in kernel.checks() if check.name == "ptrace scope")
    assert check.ok is ok
    assert remedy in check.remedy
    assert bool(check.remedy) is bool(remedy)
    assert check.detail.startswith(mode.strip() or "no Yama")


def test_root_of_a_container_is_not_sent_to_sudo(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel, "_STATUS", tmp_path / "missing")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (check,) = (check for check in kernel.checks() if check.name == "privileges")
    assert check.ok is False
    assert check.remedy == "docker run --cap-add BPF --cap-add PERFMON"
