from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from gotrace.events.model import Exit, Output
from gotrace.events.tools import Role
from gotrace.reports.terminal import TerminalReport
from gotrace.rules.finding import Diagnosis, Evidence, Fix, NotEvaluated
from gotrace.trace.model import Trace
from tests.unit.reports.made import span, trace, with_losses, wrong_compiler

GOLDEN = Path(__file__).parents[2] / "golden"


def rendered(made: Trace, diagnosis: Diagnosis, *, width: int = 80, colour: bool = False, quiet: bool = False) -> str:
    return TerminalReport(width=width, colour=colour, quiet=quiet).render(made, diagnosis)


def failing() -> str:
    made = trace(failed=True)
    return rendered(made, wrong_compiler(made))


def lossy() -> str:
    made = with_losses(trace(failed=True))
    return rendered(made, wrong_compiler(made))


def healthy() -> str:
    return rendered(trace(failed=False), Diagnosis())


def unexplained() -> str:
    return rendered(trace(failed=True), Diagnosis())


@pytest.mark.parametrize("make", [failing, lossy, healthy, unexplained])
def test_it_reads_as_the_golden_file(make: Callable[[], str]) -> None:
    assert make() == (GOLDEN / f"{make.__name__}.txt").read_text(encoding="utf-8")


def test_a_healthy_build_is_one_line() -> None:
    assert rendered(trace(failed=False), Diagnosis(), width=120).count("\n") == 1


def test_quiet_says_nothing_about_a_clean_run_but_never_hides_a_loss() -> None:
    assert rendered(trace(failed=False), Diagnosis(), quiet=True) == ""
    undecided = Diagnosis(not_evaluated=[NotEvaluated("GT101", "wrong-target-compiler", "no")])
    assert rendered(trace(failed=False), undecided, quiet=True) == ""
    assert "lost: 12 syscall_error events" in rendered(with_losses(trace(failed=False)), Diagnosis(), quiet=True)


def test_quiet_shows_findings_without_the_tree() -> None:
    made = trace(failed=True)
    quiet = rendered(made, wrong_compiler(made), quiet=True)
    assert quiet.startswith("gotrace: error GT101 wrong-target-compiler: ")
    assert "  failed  " not in quiet
    assert "  failed  " in failing()


@pytest.mark.parametrize("colour", [False, True])
def test_the_fix_can_be_pasted_however_narrow_the_terminal(colour: bool) -> None:
    made = trace(failed=True)
    diagnosis = wrong_compiler(made)
    command = ("CC=zig cc -target aarch64", "go", "build", *(f"./very/long/package/path/{n}" for n in range(40)))
    diagnosis.findings[0].fix[:] = [Fix("Do this:", command)]
    text = Text.from_ansi(rendered(made, diagnosis, colour=colour)).plain
    (line,) = [line for line in text.splitlines() if "very/long" in line]
    assert line.startswith("    CC='zig cc -target aarch64' go build ")
    assert tuple(shlex.split(line)) == command


def test_a_build_from_the_cache_says_that_no_compiler_ran() -> None:
    made = trace(failed=False)
    made.spans[:] = made.spans[:1]
    made.builds[0].spans.clear()
    assert "all packages came from the build cache" in rendered(made, Diagnosis(), width=200)
    assert "build cache" not in healthy()


def test_a_tool_is_named_beside_its_pid_unless_the_page_is_too_narrow_for_both() -> None:
    assert "  evidence  102 gcc  execve(" in failing()
    assert "            103 as   write(" in failing()
    made = trace(failed=True)
    assert "  evidence  102  execve(" in rendered(made, wrong_compiler(made), width=40)


def test_a_failed_step_that_no_finding_covers_is_told_with_its_own_words() -> None:
    made = trace(failed=True)
    diagnosis = wrong_compiler(made)
    assert "explained by no rule" not in rendered(made, diagnosis)
    link = span(("/usr/bin/ld",), Role.LD, 105, start=3.0, end=3.1, status=1, package="ex/b", parent=made.spans[0])
    link.output.append(
        Output(ts_ns=1, pid=105, text="ld: x.o: in function `a':\nx.c:3: undefined reference to \x1b[31mb")
    )
    made.spans.append(link)
    lines = rendered(made, diagnosis).splitlines()
    at = lines.index("1 failed step is explained by no rule:")
    assert lines[at + 1 : at + 3] == [
        "  ld, pid 105, for ex/b: exit status 1",
        "    x.c:3: undefined reference to \\x1b[31mb",
    ]


@pytest.mark.parametrize("width", [40, 52, 60])
def test_on_a_narrow_terminal_only_what_is_to_be_pasted_is_longer(width: int) -> None:
    made = with_losses(trace(failed=True))
    for diagnosis in (wrong_compiler(made), Diagnosis()):
        long = [line for line in rendered(made, diagnosis, width=width).splitlines() if len(line) > width]
        assert [line for line in long if not line.startswith("    CC=aarch64-linux-gnu-gcc ")] == []


def test_a_crash_is_named() -> None:
    made = trace(failed=True)
    made.spans[2].exit = Exit(ts_ns=1, pid=102, signal=11, core=True)
    assert "for runtime/cgo: killed by SIGSEGV, core dumped" in rendered(made, wrong_compiler(made))


HOSTILE = "[red]a[/red] \x1b]0;title\x07\x1b[2J\x9b5n \u202eevil\u2066 \u2028 \r over"


@given(hostile=st.text(max_size=60) | st.just(HOSTILE), colour=st.booleans())
def test_nothing_from_the_tracee_reaches_the_terminal_raw(hostile: str, colour: bool) -> None:
    made = with_losses(trace(failed=True))
    made.header.argv = (hostile,)
    made.header.degraded = (hostile,)
    made.damage = hostile
    diagnosis = wrong_compiler(made)
    finding = diagnosis.findings[0]
    finding.message = hostile
    finding.evidence.append(Evidence(1, 1, hostile, "output"))
    finding.fix.append(Fix(hostile, (hostile, hostile)))
    for one in made.spans:
        one.package = hostile
        one.output.append(Output(ts_ns=1, pid=1, text=f"{hostile} error"))
    finding.span = made.spans[2]
    text = rendered(made, diagnosis, colour=colour)
    if colour:  # our own colours, and nothing else
        text = Text.from_ansi(text).plain if "\x1b]" not in text else text
    assert not [c for c in text if c != "\n" and (ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\u2028")]


def test_markup_is_text() -> None:
    made = trace(failed=True)
    diagnosis = wrong_compiler(made)
    diagnosis.findings[0].message = HOSTILE
    assert "[red]a[/red] \\x1b]0;title\\x07\\x1b[2J\\x9b5n" in rendered(made, diagnosis, width=200)


def test_much_evidence_is_cut_and_says_so() -> None:
    made = trace(failed=True)
    diagnosis = wrong_compiler(made)
    diagnosis.findings[0].evidence[:] = [Evidence(n, n, "x" * 5000, "output") for n in range(30)]
    text = rendered(made, diagnosis)
    assert "… and 22 more" in text
    assert text.count("x") < 8 * 4 * 80
