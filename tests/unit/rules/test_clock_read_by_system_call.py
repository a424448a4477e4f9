"""clock-read-by-system-call: whose call it is says why it is made; few of them, and own ones, are no matter."""

from __future__ import annotations

import pytest

from gotrace.events.model import ClockReads, Exec, Exit, Fork, Frame, Library
from gotrace.events.recording import Header
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Finding, Severity
from gotrace.trace.builder import build
from tests.unit.rules.programs import PID, Program
from tests.unit.rules.recorded import finding, findings, ways_out

NAME = "clock-read-by-system-call"
APP, LIBC, VDSO = "/srv/app", "/lib/x86_64-linux-gnu/libc.so.6", "[vdso]"
NOW = Frame(ip=0x401000, module=APP, symbol="time.now", origin="go")
NANOTIME = Frame(ip=0x402000, module=APP, symbol="runtime.nanotime1", origin="go")
OF_VDSO = Frame(ip=0x7F0000000A00, module=VDSO, symbol="__vdso_clock_gettime", origin="vdso")
OF_LIBC = Frame(ip=0x7F0000100000, module=LIBC, symbol="clock_gettime", origin="libc")
MAPPED = ("/srv/app", VDSO)


class Reads(Program):
    """A program that reads the clock."""

    def __init__(self, *mapped: str, preload: str = "", argv: tuple[str, ...] = ("./app",)) -> None:
        super().__init__(env={"LD_PRELOAD": preload} if preload else {}, argv=argv)
        for path in mapped or MAPPED:
            base = 0x7F0000000000 if path == VDSO else 0x400000
            self.events.append(Library(**self._common(), path=path, base=base, size=0x2000))

    def reads(self, place: Frame | None, count: int = 20_000, *, seconds: float = 1.0) -> Reads:
        """So often, for so long."""
        began = self._common()["ts_ns"]
        self._now += int(seconds * 1e9)
        common = self._common()
        self.events.append(
            ClockReads(**common, syscall="clock_gettime", count=count, began_ns=began, ip=0x401000, place=place)
        )
        return self

    def source(self, current: str, *available: str, vdso: bool = True) -> Reads:
        """What the kernel tells the time by."""
        self.fact("clock_source", current, available=list(available), vdso=vdso)
        return self

    def found(self) -> Finding:
        """The only finding, of a program that ends well."""
        (found,) = self.findings(status=0)
        assert (found.name, found.severity) == (NAME, Severity.WARNING)
        return found


@pytest.mark.parametrize("place", [NOW, NANOTIME, OF_LIBC])
def test_who_is_not_told_of_the_vdso_that_is_there(place: Frame) -> None:
    found = Reads().reads(place).source("tsc", "tsc").found()

    assert found.message == (
        "app read the clock by 20,000 system calls, 20,000 a second, where the vDSO needs none: one is mapped into it, "
        "but the program was not told of it (AT_SYSINFO_EHDR): a wrapper or a sandbox may have taken that away."
    )
    assert [one.event for one in found.evidence] == ["library", "clock_reads"]


def test_a_preloaded_library_is_named_and_left_out() -> None:
    found = Reads(preload="./hide.so").reads(NOW).found()

    assert "the preloaded ./hide.so may have taken that away" in found.message
    assert found.fix[0].command == ("env", "-u", "LD_PRELOAD", "/srv/app")


def test_a_kernel_without_a_vdso() -> None:
    found = Reads(APP).reads(NOW).source("tsc", "tsc", vdso=False).found()

    assert found.message.endswith("where the vDSO needs none: this kernel maps none.")
    assert "vdso=0" in ways_out(found)


def test_where_nothing_is_known_of_what_is_mapped_nothing_is_said() -> None:
    program = Reads().reads(NOW)
    program.events = [event for event in program.events if not isinstance(event, Library)]
    assert program.findings(status=0) == []


def test_a_process_without_one_of_a_kernel_that_has_one() -> None:
    found = Reads(APP).reads(NOW).source("tsc", "tsc").found()

    assert found.message.endswith("none is mapped into it, though this kernel has one.")


@pytest.mark.parametrize(
    ("current", "available", "why", "way"),
    [
        ("hpet", ("tsc", "hpet"), "this kernel's clock source, hpet, can be read by the kernel alone", "echo tsc >"),
        ("acpi_pm", ("acpi_pm",), "this kernel's clock source, acpi_pm, can be read by the kernel alone", "dmesg"),
        ("kvm-clock", ("kvm-clock",), "it could not read this kernel's clock source, kvm-clock", "dmesg"),
    ],
)
def test_a_clock_source_that_only_the_kernel_can_read(
    current: str, available: tuple[str, ...], why: str, way: str
) -> None:
    found = Reads().reads(OF_VDSO).source(current, *available).found()

    assert why in found.message
    assert way in ways_out(found)
    assert "fact" in [one.event for one in found.evidence]


def test_where_nobody_looked_at_the_clock_source_it_has_no_name() -> None:
    assert "this kernel's clock source can be read by the kernel alone" in Reads().reads(OF_VDSO).found().message


@pytest.mark.parametrize(
    "place",
    [
        Frame(ip=1, module=APP, symbol="internal/runtime/syscall/linux.Syscall6", origin="go"),
        Frame(ip=1, module=APP, symbol="syscall.RawSyscall", origin="go"),
        Frame(ip=1, module=APP, symbol="main.now", origin="go"),
        Frame(ip=1, module=LIBC, symbol="syscall", origin="libc"),
        Frame(ip=1, module=APP, symbol="time", origin="c"),  # static glibc: its time(3) is a system call
        Frame(ip=1),
        None,
    ],
)
def test_a_call_of_the_programs_own_choice_is_its_own_business(place: Frame | None) -> None:
    assert Reads().reads(place).findings(status=0) == []


@pytest.mark.parametrize(
    ("count", "seconds", "told"), [(999, 0.1, False), (1000, 0.1, True), (1000, 9.9, True), (5000, 60.0, False)]
)
def test_few_reads_are_no_matter(count: int, seconds: float, told: bool) -> None:
    assert bool(Reads().reads(NOW, count, seconds=seconds).findings(status=0)) is told


def test_places_count_together() -> None:
    found = Reads().reads(NOW, 600).reads(NANOTIME, 700).found()

    assert "1,300 system calls, 650 a second" in found.message


def test_of_several_programs_the_busiest_is_named() -> None:
    program = Reads(APP).reads(NOW, 2000)
    at = program._common()["ts_ns"]
    program.events += [
        Fork(ts_ns=at, pid=PID, child_pid=8),
        Exec(ts_ns=at + 1, pid=8, path="/usr/bin/date", argv=("date",)),
        Library(ts_ns=at + 2, pid=8, path="/usr/bin/date", base=0x400000, size=0x2000),
        ClockReads(ts_ns=at + 9000, pid=8, syscall="clock_gettime", count=9000, began_ns=at + 2, place=OF_LIBC),
        Exit(ts_ns=at + 9001, pid=8, status=0),
    ]
    found = program.found()

    assert found.message.startswith("date read the clock by 9,000 system calls")
    assert found.message.endswith("this kernel maps none. So did 1 other program.")


def test_it_is_not_evaluated_where_no_such_call_could_be_seen() -> None:
    header = Header(argv=("./app",), observes=("execs", "libraries"), running=True)
    diagnosis = diagnose(build(header, Reads().reads(NOW).events))

    assert NAME in [one.name for one in diagnosis.not_evaluated]
    assert diagnosis.findings == []


def test_a_real_one_is_named_and_its_fix_is_silent() -> None:
    found = finding("no-vdso")

    assert (found.name, found.severity) == (NAME, Severity.WARNING)
    assert "the preloaded ./hide.so" in found.message
    assert found.fix[0].command == ("env", "-u", "LD_PRELOAD", "./app")
    assert findings("no-vdso.fixed") == []
