"""The line of a build without findings, and the lines on what is not known about any build."""

from __future__ import annotations

from collections.abc import Iterator

from gotrace.events.facets import Facet
from gotrace.events.model import Dlopen, Dlsym, Lost
from gotrace.events.signals import signal_name
from gotrace.events.tools import Role
from gotrace.reports.ending import Ending, ending_of, failed_builds, interrupted
from gotrace.reports.headline import crashed_while_it_runs, headline
from gotrace.reports.wording import GROUPS, counted, end_of, end_of_span, seconds
from gotrace.rules.finding import Diagnosis
from gotrace.trace.buildcache import FromCache, cache_use, keeps_in, private_folder
from gotrace.trace.model import Build, Trace
from gotrace.trace.summary import Summary, summary

_OF_GO = frozenset({Role.GO, Role.COMPILE, Role.ASM, Role.CGO, Role.LINK, Role.VET})
_ANEW = "gotrace build --fresh compiles {} anew"


def verdict(trace: Trace, diagnosis: Diagnosis) -> str:
    """What there is to say of a trace in which nothing was found. It never says more than is known."""
    ending, counts = ending_of(trace), summary(trace)
    tell_packages = trace.builds and (counts.packages or ending.known)
    numbers = [
        *([f"{counted(counts.packages, 'package')} compiled"] if tell_packages else []),
        counted(counts.processes, "process"),
        *(_of_a_run(trace, counts) if trace.header.running else []),
        *_times(counts, ending.seconds if ending.seconds is not None else counts.seconds),
    ]
    unsure = _unsure(trace, diagnosis)
    return f"gotrace: {_said(trace, ending)}: {', '.join(numbers)}{'; ' if unsure else ''}{unsure}"


def _of_a_run(trace: Trace, counts: Summary) -> Iterator[str]:
    """What a program asked for: libraries, dlopen and dlsym, and how many of its calls failed."""
    libraries = {library.path for span in trace.spans for library in span.libraries}
    asked = [event for span in trace.spans for event in span.linking]
    opened = [event for event in asked if isinstance(event, Dlopen)]
    if Facet.LIBRARIES in trace.observes:
        yield counted(len(libraries), "mapped file")
    if opened:
        failed = sum(not event.handle for event in opened)
        yield f"{len(opened)} dlopen" + (f" ({failed} failed)" if failed else "")
    if missing := sum(isinstance(event, Dlsym) and not event.address for event in asked):
        yield f"{missing} dlsym found nothing"
    if counts.errors:
        yield counted(counts.errors, "failing call")


def _said(trace: Trace, ending: Ending) -> str:
    """The verdict proper. What ended well in a recording that is not whole proves nothing."""
    if not ending.known:
        return _while_it_runs(trace)
    if trace.damage:
        ended = f", and the command {_ended(ending)}" if ending.failed else ""
        return f"cannot be judged: the recording is damaged{ended}"
    if by := interrupted(trace):
        of_it = ending.signal is not None and signal_name(ending.signal) == by
        return f"interrupted by {by}, and the command {'was killed by it' if of_it else _ended(ending)}"
    if trace.lost and not ending.failed and not failed_builds(trace):
        return "cannot be judged wholly: events were lost"
    if not trace.header.running and not any(span.role in _OF_GO for span in trace.spans):
        return "no go command was seen" + (f", and the command {_ended(ending)}" if ending.failed else "")
    failed = failed_builds(trace)
    if not ending.failed and not failed:
        return "no problem found"
    how = f"the command {_ended(ending)}" if ending.failed else _failed(failed)
    return headline(trace) or _not_known_why(trace, how)


def _not_known_why(trace: Trace, how: str) -> str:
    if _saw_only_what_ran(trace):
        return f"cannot be judged: it was seen which programs ran, not why one failed, and {how}"
    return f"no known problem found, though {how}"


def _while_it_runs(trace: Trace) -> str:
    if not trace.header.attached or trace.damage:
        return "cannot be judged: the recording ends before the command did"
    if by := crashed_while_it_runs(trace):
        return f"{by}; process {trace.header.attached} runs on"
    lost = "though events were lost, " if trace.lost else ""
    return f"{lost}no problem found while process {trace.header.attached} was watched, which runs on"


def _saw_only_what_ran(trace: Trace) -> bool:
    """The capture was one of execs and exits alone: most causes of a failure were out of its sight."""
    return Facet.EXECS in trace.observes and Facet.FAILED_PATHS not in trace.observes


def _ended(ending: Ending) -> str:
    if ending.signal is not None:
        return f"was {end_of(None, ending.signal)}"
    return f"ended with {end_of(ending.exit, None)}"


def _failed(builds: list[Build]) -> str:
    if len(builds) > 1:
        return f"{counted(len(builds), 'go command')} in it failed"
    (build,) = builds
    how = "was " if build.span.exit is not None and build.span.exit.signal is not None else "ended with "
    return f"a go {build.subcommand} in it {how}{end_of_span(build.span)}"


def remark(trace: Trace) -> str:
    """Why so little is to be seen, where that can be told: packages came from the cache, or something else built."""
    ending = ending_of(trace)
    if trace.damage or trace.lost or not ending.known:
        return ""
    if not trace.header.running and not any(span.role in _OF_GO for span in trace.spans):
        return "gotrace: it follows what the command starts; what a daemon builds for it (docker, bazel) is not seen"
    return on_fresh_cache(trace) or _cached(trace)


def beside_findings(trace: Trace) -> str:
    """The same of a trace with findings: on --fresh, and what the cache spared a command that ended well."""
    whole = not trace.damage and not trace.lost and ending_of(trace).known
    return on_fresh_cache(trace) or (_cached(trace) if whole and not ending_of(trace).failed else "")


def on_fresh_cache(trace: Trace) -> str:
    """That `--fresh` gave the command a cache of its own, and whether the go commands used it; else empty."""
    folder = private_folder(trace)
    if folder is None or not trace.builds:
        return ""
    others = sum(not keeps_in(build, folder) for build in trace.builds)
    if others == len(trace.builds):
        return "gotrace: --fresh had no effect: the command gives go another GOCACHE"
    if others:
        which = f"{others} of {counted(len(trace.builds), 'go command')}"
        return f"gotrace: --fresh had no effect on {which}: the command gives them another GOCACHE"
    return "gotrace: built with an empty build cache of its own (--fresh), which is removed again"


def _cached(trace: Trace) -> str:
    """What the build cache spared, so that nothing of it was seen, and how to see it; empty where that was nothing."""
    uses = [use for use in cache_use(trace) if not use.seen]
    spared = [use.packages for use in uses if use.packages in (FromCache.ALL, FromCache.SOME)]
    if not spared:
        return ""
    if len(trace.builds) == len(spared) and FromCache.SOME not in spared:
        return (
            "gotrace: all packages came from the build cache: neither Go's compiler nor a C compiler ran;"
            f" {_ANEW.format('them')}"
        )
    if len(trace.builds) == 1:
        return "gotrace: packages came from the build cache; --fresh compiles all anew"  # one line, for it is common
    which = f"{len(spared)} of {len(trace.builds)} go commands took packages from the build cache"
    return f"gotrace: {which}, and no compiler ran for those; {_ANEW.format('all')}"


def _number(lost: Lost) -> str:
    if lost.exact:
        return counted(lost.count, f"{lost.what} event")
    if lost.what == "unknown" and lost.since_ns:  # all from then on
        return "an unknown number of events"
    return f"at most {counted(lost.count, f'{lost.what} event')}"


def not_known(trace: Trace, diagnosis: Diagnosis, *, quiet: bool = False) -> Iterator[tuple[str, str]]:
    """What was lost, damaged, not seen or not decided: a label and a sentence each.

    `quiet` keeps only what happened to this very recording, not what this capture could never see.
    """
    for lost in trace.lost:
        yield "lost", f"{_number(lost)}: {lost.reason}"
    if trace.damage:
        yield "damaged", trace.damage
    if quiet and not diagnosis.findings:
        return
    told = {lost.reason for lost in trace.lost}
    for sentence in trace.header.degraded:
        if sentence not in told:
            yield "degraded", sentence
    if trace.header.attached and Facet.FAILED_PATHS not in trace.observes and diagnosis.not_evaluated:
        number = counted(len(diagnosis.not_evaluated), "rule")
        yield (
            "not evaluated",
            f"{number}: failing system calls are seen with --syscalls, or by eBPF (the JSON report names all)",
        )
        return
    rules_by_reason: dict[str, list[str]] = {}
    for rule in diagnosis.not_evaluated:
        # The damage itself stands above already.
        reason = rule.reason.removesuffix(f": {trace.damage}") if trace.damage else rule.reason
        rules_by_reason.setdefault(reason, []).append(f"{rule.code} {rule.name}")
    for reason, rules in rules_by_reason.items():
        yield "not evaluated", f"{', '.join(rules)}: {reason}"


def _unsure(trace: Trace, diagnosis: Diagnosis) -> str:
    known = ending_of(trace).known
    parts = ["events were lost"] if trace.lost else []
    if trace.damage and not known:  # otherwise the verdict itself has said so
        parts.append("the recording is damaged")
    if not parts and not trace.damage:
        parts.append("nothing lost" if known or trace.header.attached else "what came after is not known")
    if diagnosis.not_evaluated:
        parts.append(f"{counted(len(diagnosis.not_evaluated), 'rule')} not evaluated")
    return ", ".join(parts)


def _times(counts: Summary, whole: float | None) -> Iterator[str]:
    if whole is not None:
        spent = {name: counts.group_seconds.get(group, 0.0) for group, name in GROUPS.items()}
        parts = [f"{name} {value:.1f}" for name, value in spent.items() if value >= 0.05]
        yield seconds(whole) + (f" ({', '.join(parts)})" if parts else "")
