"""The engine: asks every rule about a trace, and puts causes before their consequences.

Findings are linked by keys in `explains`. Two findings fold together where they share a key and the one's rule names
the other's in `consequence_of`. The keys are

    span:<pid>:<start_ns>     this tool run failed                 (gotrace.rules.steps.span_key)
    build:<pid>:<start_ns>    this go command's result             (gotrace.rules.steps.build_key)
    cc:<command>              this compiler, as CC names it
    header:<name>  library:<name>  package:<import path>
    flag:<word>  pkg-config:<name>                           what a #cgo line named

The keys also say which line of the source asked for what failed: see gotrace.rules.source_lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter

from gotrace.events.facets import Facet
from gotrace.events.tools import is_tool
from gotrace.rules import registry, steps
from gotrace.rules.base import Rule, UndecidedError
from gotrace.rules.finding import Diagnosis, Finding, NotEvaluated, Severity
from gotrace.rules.source_lines import SourceLines
from gotrace.trace.model import Span, Trace

_GRAVITY = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}

_KINDS = {
    Facet.EXECS: frozenset({"fork", "exec", "exit"}),
    Facet.FAILED_EXECS: frozenset({"exec"}),
    Facet.FAILED_PATHS: frozenset({"syscall_error"}),
    Facet.ALL_FAILURES: frozenset({"syscall_error"}),
    Facet.RESOURCES: frozenset({"syscall_error"}),
    Facet.STDERR_TEXT: frozenset({"output"}),
    Facet.FROM_START: frozenset[str](),
    Facet.PROBED: frozenset({"fact"}),
    Facet.DL_CALLS: frozenset({"dlopen", "dlsym", "dlerror"}),
    Facet.LIBRARIES: frozenset({"library"}),
    Facet.SIGNALS: frozenset({"signal"}),
    Facet.CLOCK_READS: frozenset({"clock_reads"}),
}
"""The kinds of events in which a facet is delivered."""

OF_A_RUN = frozenset({Facet.DL_CALLS, Facet.LIBRARIES, Facet.SIGNALS, Facet.RESOURCES, Facet.CLOCK_READS})
"""What is observed only where a program's run is followed."""

OF_A_BUILD = ("GT1", "GT2")
"""How codes begin that stand for toolchains, compiling and linking: such a rule looks at the tools of a build only."""

_UNSEEN = {
    Facet.EXECS: "which programs ran",
    Facet.FAILED_EXECS: "refused execs",
    Facet.FAILED_PATHS: "failing calls that take a path",
    Facet.ALL_FAILURES: "failing system calls",
    Facet.RESOURCES: "failing calls that ask for threads, memory, sockets or rights",
    Facet.STDERR_TEXT: "what the tools wrote to their stderr",
    Facet.FROM_START: "the start of the command",
    Facet.PROBED: "what the tools say about themselves (go env, go list, compilers' targets)",
    Facet.DL_CALLS: "calls of dlopen and dlsym",
    Facet.LIBRARIES: "which libraries were loaded",
    Facet.SIGNALS: "signals that end a program",
    Facet.CLOCK_READS: "system calls that read a clock",
}


def diagnose(trace: Trace, rules: Iterable[type[Rule]] | None = None) -> Diagnosis:
    """All that the rules say about a trace, root causes first; `rules` defaults to all there are."""
    diagnosis = Diagnosis()
    trace.derived.clear()
    findings: list[Finding] = []
    chosen = _asked(registry.rules() if rules is None else rules, trace)
    for one in chosen:
        started = perf_counter()
        findings += _ask(one, trace, diagnosis.not_evaluated)
        diagnosis.timings[one.code] = perf_counter() - started
    lines = SourceLines(trace)
    for finding in findings:
        _soften(finding, trace)
        finding.source = finding.source or lines.of(finding)
    causes = {one.name: one.consequence_of for one in chosen}
    diagnosis.findings = folded(findings, causes)
    return diagnosis


def folded(findings: Sequence[Finding], causes: dict[str, tuple[str, ...]]) -> list[Finding]:
    """Root causes in order, each with its consequences under it. `causes` is each rule's `consequence_of`, by name."""
    ordered = sorted(_distinct(findings), key=_order)
    roots: list[Finding] = []
    for finding in ordered:
        cause = next((other for other in ordered if _is_cause(other, finding, causes)), None)
        (roots if cause is None else cause.consequences).append(finding)
    return roots


def unexplained(trace: Trace, diagnosis: Diagnosis) -> list[Span]:
    """The tool runs that broke a build and that no finding accounts for, in order.

    Of a failed run and the failed ones below it only the lowest counts: that is where it began.
    """
    explained: set[str] = set()
    waiting = list(diagnosis.findings)
    while waiting:
        finding = waiting.pop()
        explained |= finding.explains
        waiting += finding.consequences
    broken = [span for span in trace.spans if steps.broke_the_build(span)]
    above = {id(parent) for span in broken for parent in span.ancestors()}
    return [
        span
        for span in broken
        if is_tool(span.role) and id(span) not in above and steps.span_key(span) not in explained
    ]


def _soften(finding: Finding, trace: Trace) -> None:
    """A failure that the command expected, or had another way around, is no error: it went on."""
    build = finding.span.build if finding.span is not None else None
    failed = build.failed if build is not None else finding.span is not None and finding.span.failed
    if finding.severity is not Severity.ERROR or not failed:
        return
    if trace.root is not None and trace.root.exit is not None and trace.root.exit.status == 0:
        how = "the command went on and succeeded"
    elif build is not None and steps.went_on(build):
        how = "the script went on, and failed later"
    else:
        return
    finding.severity = Severity.WARNING
    finding.message = f"{finding.message.removesuffix('.')}; {how}."


def _asked(rules: Iterable[type[Rule]], trace: Trace) -> list[type[Rule]]:
    """Of a build nobody asks how a program fares, and of a run in which nothing was built nobody asks about builds."""
    if not trace.header.running:
        return [one for one in rules if not one.needs & OF_A_RUN]
    if _nothing_was_built(trace):
        return [one for one in rules if not one.code.startswith(OF_A_BUILD)]
    return list(rules)


def _nothing_was_built(trace: Trace) -> bool:
    """No tool of a build ran: neither go nor a compiler. Where an exec may be missing nobody knows."""
    unseen = Facet.EXECS not in trace.observes or trace.damage or _lost(trace, frozenset({"exec"}))
    return not unseen and not any(is_tool(span.role) for span in trace.spans)


def _ask(one: type[Rule], trace: Trace, not_evaluated: list[NotEvaluated]) -> list[Finding]:
    """What one rule finds; where it cannot be decided, why."""

    def undecided(reason: str) -> list[Finding]:
        not_evaluated.append(NotEvaluated(one.code, one.name, reason))
        return []

    missing = sorted(one.needs - trace.observes)
    if missing:
        return undecided(f"the capture did not observe {' and '.join(_UNSEEN[facet] for facet in missing)}")
    lost_absence = _lost(trace, one.infers_from_absence)
    if lost_absence:
        return undecided(f"it concludes from what did not happen, and {lost_absence}")
    found: list[Finding] = []
    try:
        for finding in one().check(trace):
            found.append(finding)
    except UndecidedError as reason:
        return found or undecided(str(reason))
    except Exception as error:  # a rule's defect must cost its own answer only
        undecided(f"the rule failed: {type(error).__name__}: {error}")
        return found
    if found:
        return found
    lost = _lost(trace, frozenset[str]().union(*(_KINDS[facet] for facet in one.needs)))
    if lost:
        return undecided(f"it found nothing, but {lost}")
    if trace.damage:
        return undecided(f"it found nothing, but the recording is damaged: {trace.damage}")
    return []


def _lost(trace: Trace, kinds: frozenset[str]) -> str:
    """What was lost of these kinds of events, in words; empty where nothing was."""
    affecting = kinds | {"unknown"} if kinds else kinds
    concerned = [loss for loss in trace.lost if loss.count and loss.what in affecting]
    if not concerned:
        return ""
    count = sum(loss.count for loss in concerned)
    whats = " and ".join(sorted({loss.what for loss in concerned}))
    about = "" if all(loss.exact for loss in concerned) else "up to "
    return f"{about}{count} {whats} event{'' if count == 1 else 's'} could not be delivered"


def _distinct(findings: Sequence[Finding]) -> list[Finding]:
    """One finding where a rule says the same thing twice (two go commands of one make lack the same compiler)."""
    seen: dict[tuple[str, str], Finding] = {}
    for finding in sorted(findings, key=_order):
        first = seen.setdefault((finding.code, finding.message), finding)
        if first is not finding:
            first.explains |= finding.explains
    return list(seen.values())


def _is_cause(cause: Finding, finding: Finding, causes: dict[str, tuple[str, ...]]) -> bool:
    named = cause.name in causes.get(finding.name, ())
    return named and cause is not finding and not cause.explains.isdisjoint(finding.explains)


def _order(finding: Finding) -> tuple[int, int, str]:
    """Errors before warnings, then by the time of the first event that proves it."""
    first = min((evidence.ts_ns for evidence in finding.evidence), default=0)
    return _GRAVITY[finding.severity], first, finding.code
