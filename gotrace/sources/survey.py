"""Which sources work on this machine, each really tried: the first lines of `gotrace doctor`."""

from __future__ import annotations

from gotrace.host.check import Check
from gotrace.host.kernel import may_load
from gotrace.sources.base import Lack
from gotrace.sources.choose import SOURCES, TITLES, source_named, sudo_would_do
from gotrace.sources.ebpf import cache


def checks() -> list[Check]:
    """One line for each source, the best one first. What one lacks matters only where no other can take its place."""
    lacks = {name: source_named(name).missing() for name in SOURCES}
    through_sudo = {name for name in SOURCES if _fatal(lacks[name]) and sudo_would_do(source_named(name))}
    hopeless = not through_sudo and all(_fatal(found) for found in lacks.values())
    return [_check(name, lacks[name], sudo=name in through_sudo, hopeless=hopeless) for name in SOURCES]


def _check(name: str, lacks: list[Lack], *, sudo: bool, hopeless: bool) -> Check:
    title, fatal = f"watch by {TITLES[name]}", _fatal(lacks)
    told = fatal or lacks
    whats = "; ".join(lack.what for lack in told)
    remedies = "; ".join(dict.fromkeys(lack.remedy for lack in told))
    if not fatal:
        return Check(title, True, f"works, but {whats}" if whats else "works", remedies)
    return Check(title, False if hopeless else None, whats, "gotrace build --sudo -- COMMAND" if sudo else remedies)


def _fatal(lacks: list[Lack]) -> list[Lack]:
    return [lack for lack in lacks if lack.fatal]


def cache_checks() -> list[Check]:
    """Where compiled probes lie; nothing where another user would load them (root, through sudo)."""
    if not may_load():
        return []
    problem = cache.problem()
    if problem is None:
        return [Check("eBPF cache", True, str(cache.folder()))]
    remedy = f"let {cache.folder()} be a folder of yours that nobody else can write (mode 700)"
    return [Check("eBPF cache", None, f"{problem}; each start compiles them anew", remedy)]
