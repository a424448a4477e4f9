"""The line of a build without findings, and the lines on what is not known about any build."""

from __future__ import annotations

from collections.abc import Iterator

from gotrace.events.tools import Role
from gotrace.reports.ending import ending_of
from gotrace.reports.wording import counted, end_of, seconds
from gotrace.rules.finding import Diagnosis
from gotrace.trace.model import Trace
from gotrace.trace.summary import Summary, summary


def verdict(trace: Trace, diagnosis: Diagnosis) -> str:
    """One line for a trace in which nothing was found. It never says more than is known."""
    ending, counts = ending_of(trace), summary(trace)
    numbers = [
        *([f"{counted(counts.packages, 'package')} compiled"] if trace.builds else []),
        counted(counts.processes, "process"),
        *_times(counts, ending.seconds if ending.seconds is not None else counts.seconds),
    ]
    if ending.failed:
        how = (
            f"ended with {end_of(ending.exit, None)}" if ending.signal is None else f"was {end_of(None, ending.signal)}"
        )
        said = f"no known problem found, though the command {how}"
    else:
        said = "no problem found"
    unsure = _unsure(trace, diagnosis)
    return f"gotrace: {said}: {', '.join(numbers)}; {unsure}"


def cached(trace: Trace) -> str:
    """That nothing was compiled, where a go command built all the same; empty otherwise."""
    counts = summary(trace)
    if not trace.builds or any(build.failed for build in trace.builds) or counts.packages or Role.CC in counts.runs:
        return ""
    return "gotrace: all packages came from the build cache: neither Go's compiler nor a C compiler ran"


def not_known(trace: Trace, diagnosis: Diagnosis, *, quiet: bool = False) -> Iterator[tuple[str, str]]:
    """What was lost, damaged, not seen or not decided: a label and a sentence each.

    `quiet` keeps only what happened to this very recording, not what this capture could never see.
    """
    for lost in trace.lost:
        bound = "" if lost.exact else "at most "
        yield "lost", f"{bound}{counted(lost.count, f'{lost.what} event')}: {lost.reason}"
    if trace.damage:
        yield "damaged", trace.damage
    if quiet and not diagnosis.findings:
        return
    for sentence in trace.header.degraded:
        yield "degraded", sentence
    for rule in diagnosis.not_evaluated:
        yield "not evaluated", f"{rule.code} {rule.name}: {rule.reason}"


def _unsure(trace: Trace, diagnosis: Diagnosis) -> str:
    parts = ["events were lost"] if trace.lost else []
    if trace.damage:
        parts.append("the recording is damaged")
    parts = parts or ["nothing lost"]
    if diagnosis.not_evaluated:
        parts.append(f"{counted(len(diagnosis.not_evaluated), 'rule')} not evaluated")
    return ", ".join(parts)


def _times(counts: Summary, whole: float | None) -> Iterator[str]:
    if whole is not None:
        groups = [("Go", "go"), ("C", "c"), ("link", "link")]
        parts = [f"{name} {value:.1f}" for name, key in groups if (value := counts.group_seconds.get(key, 0.0)) >= 0.05]
        yield seconds(whole) + (f" ({', '.join(parts)})" if parts else "")
