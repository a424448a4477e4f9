"""GT416: a security module of the kernel keeps a program from a file or a port."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Final

from gotrace.events.facets import Facet
from gotrace.events.model import Fact
from gotrace.rules import evidence, fixes, last_calls, loaded_files, refusals, security_modules, steps, survived
from gotrace.rules.base import Rule
from gotrace.rules.finding import Finding, Fix, Severity
from gotrace.rules.refusals import By, Refusal
from gotrace.rules.security_modules import APPARMOR, LANDLOCK, LOCKDOWN, SELINUX, Module
from gotrace.trace.model import Span, Trace

_LOG: Final = ("journalctl", "--dmesg", "--grep")
_RIGHTS: Final = {
    "read": "read-file",
    "write": "write-file",
    "read and write": "read-file,write-file",
    "execute": "read-file,execute",
}
"""What setpriv(1) calls Landlock's rights to files."""
_OF_THE_PROCESS: Final = ("fsuid", "fsgid", "groups", "capabilities", "no_new_privs", "label")
"""What file permissions and modules ask for, of what is known of a process."""
_TO_APPARMOR: Final = {"read": "r", "write": "w", "read and write": "rw", "execute": "rix"}
"""apparmor.d(5)"""


class RefusedBySecurityModule(Rule):
    """A security module of the kernel refused a program a file or a port that its permissions allow it.

    What it detects
    ---------------
    A program ended after a system call had failed with EACCES, though nothing else forbids it: the kernel itself, asked
    once more with the same user, groups and capabilities, lets it have that file (or the modes of the file and of all
    folders on the way let everybody in), the file system is neither read-only nor noexec, and no seccomp filter
    answered. What is left is a security module. SELinux and AppArmor tell which process they confine, and by which
    profile. Landlock tells nobody: where it is active and no other confines the process, it is named as the likeliest.
    Of a program that lived on for a moment, a second at most, the finding says so, and is a warning.

    Why it happens
    --------------
    Security modules forbid what file permissions allow. Docker and Podman run containers under an AppArmor profile or
    an SELinux type, distributions confine services; a volume without the right label may not be read in a container.
    By Landlock a program, or what starts it (landrun, setpriv, firejail), confines itself to the files that it names:
    what was forgotten, such as the loader, /etc/resolv.conf or /dev/null, is refused.

    How to fix it
    -------------
    Look into the log for what was refused, and allow it: in AppArmor's profile or by another one
    (`--security-opt apparmor=PROFILE`), by the label of the file for SELinux (`:z` at a volume, restorecon), by one
    more path in the Landlock ruleset. Changing modes or owners of the file does not help.

    References
    ----------
    - landlock(7), setpriv(1), apparmor(7), aa-status(8), selinux(8), ausearch(8), kernel_lockdown(7)
    - https://docs.docker.com/engine/security/apparmor/
    - https://docs.docker.com/engine/storage/bind-mounts/#configure-the-selinux-label
    """

    code = "GT416"
    name = "refused-by-security-module"
    severity = Severity.ERROR
    needs: ClassVar[frozenset[Facet]] = frozenset({Facet.EXECS, Facet.FAILED_PATHS, Facet.RESOURCES})

    def check(self, trace: Trace) -> Iterator[Finding]:
        """One finding for each program and call."""
        for refusal in refusals.refused_by(trace, By.MODULE):
            if refusal.module is not None:
                yield self._of_a_call(trace, refusal, refusal.module)
        for span, attempt, allowed, module in security_modules.refused_execs(trace):
            later_ns = span.end_ns - attempt.ts_ns if span.end_ns is not None else 0
            at_once = later_ns < survived.AT_ONCE_NS
            how = survived.consequence(later_ns, at_once=at_once)
            path = loaded_files.absolute(span, attempt.path)
            yield Finding(
                code=self.code,
                name=self.name,
                severity=self.severity if at_once else Severity.WARNING,
                message=(
                    f"{loaded_files.name_of(span.exec.path)} may not execute {path} (execve, EACCES), and {how}: "
                    f"{_proof(allowed, [])}, so {_who(module)}."
                ),
                span=span,
                evidence=evidence.of(attempt, span.exit, allowed, *_told(trace, span, allowed)),
                fix=_fixes(trace, module, allowed, path),
                confidence=min(module.sure, last_calls.POSSIBLE),
                explains=frozenset({steps.span_key(span)}),
            )

    def _of_a_call(self, trace: Trace, refusal: Refusal, module: Module) -> Finding:
        span, call, allowed = refusal.ending.span, refusal.call, refusal.allowed
        path = loaded_files.absolute(span, call.paths[0]) if call.paths else ""
        to_what = f" of {path}" if path else ""
        reason = _proof(allowed, list(call.paths)) if allowed is not None else _may(call.syscall, module)
        return Finding(
            code=self.code,
            name=self.name,
            severity=self.severity if refusal.ending.at_once else Severity.WARNING,
            message=(
                f"{refusal.ending.program} was refused {call.syscall}{to_what} ({refusal.error}), and "
                f"{refusal.consequence}: {reason}, so {_who(module)}."
            ),
            span=span,
            evidence=evidence.of(call, refusal.fault, span.exit, allowed, *_told(trace, span, allowed)),
            fix=_fixes(trace, module, allowed, path),
            confidence=refusal.sure,
            explains=frozenset({steps.span_key(span)}),
        )


def _proof(allowed: Fact, paths: list[str]) -> str:
    """What the permissions allow, and to whom."""
    wanted, everybody = str(allowed.data.get("wanted", "")), allowed.data.get("allowed") == "everybody"
    files = _files(allowed)
    others = [file for file in files[1:] if file not in paths]
    what = f"it and {others[0]}" if others else files[0] if wanted.startswith("make") and files else "it"
    whom = "everybody" if everybody else "this process"
    return f"file permissions allow {whom} to {wanted} {what}"


def _files(allowed: Fact | None) -> list[str]:
    files = allowed.data.get("files") if allowed is not None else None
    return [str(file) for file in files] if isinstance(files, list | tuple) else []


def _may(syscall: str, module: Module) -> str:
    """Why it is no capability that it lacks."""
    if module.name == LOCKDOWN:
        return "it has the capability for that"
    return "it may listen on that port" if syscall == "bind" else "nothing else forbids it"


def _who(module: Module) -> str:
    if module.name == LOCKDOWN:
        return f"it is lockdown that forbids it: the kernel was locked down ({module.profile})"
    if module.profile:
        as_what = "by the profile" if module.name == APPARMOR else "as"
        return f"it is {module.name} that forbids it, which confines the process {as_what} {module.profile}"
    if module.sure >= last_calls.LIKELY:
        return f"it is a security module that forbids it: {module.name}"
    return f"it is a security module that forbids it: {module.name}, most probably"


def _told(trace: Trace, span: Span, allowed: Fact | None) -> list[Fact | None]:
    """Who there is, and with which rights the process was refused, where they count."""
    to_all = allowed is not None and allowed.data.get("allowed") == "everybody"
    return [
        next(trace.facts_of("security_modules"), None),
        None if to_all else last_calls.told_of(trace, span, *_OF_THE_PROCESS),
    ]


def _fixes(trace: Trace, module: Module, allowed: Fact | None, path: str) -> list[Fix]:
    wanted = str(allowed.data.get("wanted", "")) if allowed is not None else ""
    files = _files(allowed)
    place = files[0] if wanted.startswith("make") and files else path
    if module.name == LOCKDOWN:
        return [Fix("Do without it, or boot without lockdown= and, on most machines, without Secure Boot.")]
    if module.name == APPARMOR:
        return _of_apparmor(trace, module, place, _TO_APPARMOR.get(wanted, "rw"))
    if module.name == SELINUX:
        return _of_selinux(trace, place)
    if module.name == LANDLOCK:
        return _of_landlock(trace, place, wanted, files)
    log = fixes.privileged(trace, ("dmesg", "--ctime"))
    return [
        Fix("See in the kernel's log what was refused, and by which module.", log),
        Fix(f"Allow {place or 'it'} in the policy of that module, or have the program do without."),
    ]


def _of_apparmor(trace: Trace, module: Module, place: str, rights: str) -> list[Fix]:
    rule = f"`{place} {rights},`" if place else "the rule for it (`network inet stream,`)"
    log = fixes.privileged(trace, (*_LOG, 'apparmor="DENIED"'))
    return [
        Fix("See what was refused, in the kernel's log.", log),
        Fix(
            f"Allow it in the profile {module.profile}: {rule} (aa-status(8) lists profiles, /etc/apparmor.d has them)."
        ),
        Fix("In a container: --security-opt apparmor=PROFILE gives it another one, apparmor=unconfined none."),
    ]


def _of_selinux(trace: Trace, place: str) -> list[Fix]:
    log = fixes.privileged(trace, ("ausearch", "--message", "avc", "--start", "recent"))
    ways = [Fix("See what was refused, in the audit log.", log)]
    if place:
        ways.append(
            Fix(
                "Give the file the label that the policy has for its place.",
                fixes.privileged(trace, ("restorecon", "-v", place)),
            )
        )
        ways.append(Fix("In a container: mount the volume with :z (or :Z for this container alone)."))
    else:
        ways.append(Fix("Give that port a type that the program may have: semanage port --add."))
    return ways


def _of_landlock(trace: Trace, place: str, wanted: str, files: list[str]) -> list[Fix]:
    if not place:
        return [
            Fix(
                "Allow the port where the program, or what started it, confines itself (LANDLOCK_ACCESS_NET_BIND_TCP; "
                "landrun --bind-tcp PORT)."
            ),
        ]
    right = _RIGHTS.get(wanted, "")
    how = f"setpriv --landlock-rule path-beneath:{right}:{place}; " if right else ""
    run = {"execute": "--rox", "read": "--ro"}.get(wanted, "--rw")
    both = f"{files[0]} and {files[1]}" if wanted == "execute" and len(files) > 1 else place
    return [
        Fix(
            f"Allow {both} where the program, or what started it, confines itself: in the ruleset that is given to "
            f"landlock_restrict_self ({how}landrun {run} {place})."
        ),
        Fix(
            "See what was refused, where the kernel audits (Linux 6.15 or newer).",
            fixes.privileged(trace, (*_LOG, "blockers=")),
        ),
    ]
