"""The rules on recordings of real failures and of their fixes (made by tests/integration/test_rules.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gotrace.events.facets import Facet
from gotrace.events.recording import read_recording
from gotrace.rules.engine import diagnose
from gotrace.rules.finding import Diagnosis
from gotrace.trace.builder import build

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"

FOUND = {
    "wrong-target-compiler": "wrong-target-compiler",
    "cross-compiler-in-native-build": "wrong-target-compiler",
    "missing-target-headers": "missing-target-headers",
    "compiler-not-found": "compiler-not-found",
    "missing-header": "missing-header",
    "missing-header-of-a-package": "missing-header",
    "missing-library": "missing-library",
    "missing-library-development-link": "missing-library",
    "pkg-config-not-found": "pkg-config-not-found",
    "pkg-config-package-missing": "pkg-config-package-missing",
    "pkg-config-requirement-missing": "pkg-config-package-missing",
    "host-pkg-config-in-cross-build": "host-libraries-in-cross-build",
    "compiler-without-cc1": "incomplete-compiler",
    "compiler-without-assembler": "incomplete-compiler",
    "compiler-without-linker": "incomplete-compiler",
    "linker-chosen-is-missing": "incomplete-compiler",
    "static-without-archives": "missing-static-library",
    "startup-object-missing": "missing-static-library",
    "static-flag-ignored": "static-flag-ignored",
    "static-glibc-resolver": "static-glibc-needs-nss",
    "cgo-disabled-by-cross-build": "cgo-disabled",
    "cgo-disabled-by-missing-compiler": "cgo-disabled",
    "cgo-disabled-by-hand": "cgo-disabled",
    "cgo-disabled-by-go-env": "cgo-disabled",
    "implicit-function-declaration": "implicit-function-declaration",
    "large-file-names-dropped": "large-file-names-dropped",
    "glibc-archive-in-musl-build": "glibc-archive-in-musl-build",
    "library-newer-than-target": "library-newer-than-libc",
    "refused-cgo-flag": "refused-cgo-flag",
    "link-order": "link-order",
    "not-position-independent": "not-position-independent",
    "cpp-runtime-missing": "cpp-runtime-missing",
    "preamble-defined-twice": "multiple-definition",
    "stray-c-file": "multiple-definition",
    "cgo-required": "cgo-required",
    "cgo-required-by-build-mode": "cgo-required",
    "toolchain-not-available": "toolchain-not-available",
    "toolchain-not-available-offline": "toolchain-not-available",
    "vendored-files-missing": "vendored-files-missing",
    "glibc-headers-in-musl-build": "glibc-headers-in-musl-build",
    "missing-header-kernel-with-musl": "missing-header",
    "glibc-libraries-in-musl-build": "glibc-libraries-in-musl-build",
    "musl-linked-by-host-cxx": "musl-linked-by-host-cxx",
    "unwritable-cache": "unwritable-cache",
    "no-place-for-the-cache": "unwritable-cache",
    "disk-full": "disk-full",
    "build-cache-full": "disk-full",
    "noexec-temporary-folder": "noexec-temporary-folder",
    "noexec-test-folder": "noexec-temporary-folder",
    "compiler-killed": "compiler-killed",
    "vcs-stamping-failed": "vcs-stamping-failed",
    "c-files-without-cgo": "c-files-without-cgo",
    "c-file-in-a-go-package": "c-files-without-cgo",
    "detached-preamble": "detached-preamble",
    "system-call-of-another-system": "system-call-of-another-system",
    "two-word-compiler": "two-word-compiler",
    "static-in-cgo-ldflags": "internal-linker-meets-c",
    "unwritable-compiler-cache": "unwritable-compiler-cache",
    "c-memory-growth": "c-memory-growth",
    "heap-corrupted": "heap-corrupted",
    "missing-ca-certificates": "missing-ca-certificates",
    "missing-time-zones": "missing-time-zones",
    "missing-temporary-folder": "missing-temporary-folder",
    "user-not-in-passwd": "user-not-in-passwd",
    "missing-resolver-files": "missing-resolver-files",
    "resolver-of-go": "resolver-choice",
    "resolver-module-missing": "resolver-choice",
    "io-uring-refused": "call-refused-by-seccomp",
    "epoll-refused": "call-refused-by-seccomp",
    "clone3-refused": "call-refused-by-seccomp",
    "faccessat2-refused": "call-refused-by-seccomp",
    "perf-event-refused": "call-refused-by-seccomp",
    "ended-by-seccomp": "call-refused-by-seccomp",
    "privileged-port": "missing-capability",
    "read-only-file-system": "read-only-file-system",
    "refused-by-landlock": "refused-by-security-module",
    "refused-in-a-landlock-sandbox": "refused-by-security-module",
    "loader-outside-the-sandbox": "refused-by-security-module",
    "too-many-open-files": "too-many-open-files",
    "too-many-threads": "thread-creation-refused",
    "handler-without-onstack": "handler-without-onstack",
    "illegal-instruction": "illegal-instruction",
    "cgo-pointer-rule": "cgo-pointer-rule",
    "address-space-limit": "address-space-limit",
    "call-unknown-to-kernel": "call-unknown-to-kernel",
    "small-thread-stack": "small-thread-stack",
    "fork-from-cgo": "fork-from-cgo",
    "all-threads-syscall": "all-threads-syscall",
    "no-vdso": "clock-read-by-system-call",
    "shared-library-not-found": "shared-library-not-found",
    "run-path-not-transitive": "shared-library-not-found",
    "run-path-relative": "shared-library-not-found",
    "library-not-found-by-dlopen": "shared-library-not-found",
    "error-asked-on-another-thread.fixed-2": "shared-library-not-found",
    "missing-interpreter": "missing-interpreter",
    "missing-interpreter-in-scratch": "missing-interpreter",
    "missing-interpreter-in-chroot": "missing-interpreter",
    "glibc-too-old": "glibc-too-old",
    "undefined-symbol": "undefined-symbol",
    "undefined-symbol-by-dlopen": "undefined-symbol",
    "glibc-program-on-musl": "undefined-symbol",
    "wrong-elf-file": "wrong-elf-file",
    "wrong-elf-class": "wrong-elf-file",
    "library-is-a-text": "wrong-elf-file",
    "program-for-another-machine": "wrong-elf-file",
    "plugin-mismatch": "plugin-mismatch",
    "plugin-of-another-go": "plugin-mismatch",
    "plugin-in-static-program": "plugin-mismatch",
    "plugin-that-is-none": "plugin-mismatch",
    "plugin-without-cgo": "plugin-mismatch",
    "noexec-library": "noexec-library",
    "noexec-program": "noexec-library",
    "ssl-library-init-null": "null-symbol-called",
    "musl-ssl-library-init": "null-symbol-called",
    "library-not-opened-and-used": "null-symbol-called",
    "lazy-library-of-another-libc": "unrelocated-call",
    "relr-on-old-musl": "relr-on-old-musl",
    "relr-needed-by-a-program": "relr-on-old-musl",
    "glibc-library-in-musl-program": "library-of-another-libc",
    "glibc-library-needed-under-musl": "library-of-another-libc",
    "musl-library-in-glibc-program": "library-of-another-libc",
    "musl-plugin-in-glibc-program": "library-of-another-libc",
    "dlopen-in-static-program": "dlopen-in-static-program",
    "dlopen-in-static-glibc-program": "dlopen-in-static-program",
    "dlopen-brings-an-older-glibc": "dlopen-in-static-program",
    "static-glibc-loads-nss": "static-glibc-loads-nss",
    "static-glibc-loads-older-nss": "static-glibc-loads-nss",
    "go-library-on-musl": "go-library-on-musl",
    "go-library-needed-under-musl": "go-library-on-musl",
    "go-archive-on-musl": "go-library-on-musl",
}
ACCOMPANIED = {
    "error-asked-on-another-thread": ["shared-library-not-found", "error-asked-on-another-thread"],
}
"""Where what was done wrong beside the cause is told behind it."""
CLEAN = [
    "wrong-target-compiler.fixed",
    "missing-target-headers.fixed",
    "compiler-not-found.fixed",
    "missing-header.fixed",
    "missing-library.fixed",
    "pkg-config-not-found.fixed",
    "pkg-config-package-missing.fixed",
    "pkg-config-requirement-missing.fixed",
    "host-pkg-config-in-cross-build.fixed",
    "compiler-without-assembler.fixed",
    "static-without-archives.fixed-2",
    "startup-object-missing.fixed",
    "static-flag-ignored.fixed",
    "static-flag-ignored.fixed-2",
    "static-flag-without-cgo",
    "static-glibc-resolver.fixed",
    "static-glibc-resolver.fixed-2",
    "cgo-disabled-by-cross-build.fixed",
    "cgo-disabled-by-missing-compiler.fixed",
    "cgo-disabled-by-hand.fixed",
    "cgo-disabled-by-hand.fixed-2",
    "cgo-disabled-by-go-env.fixed",
    "implicit-function-declaration.fixed",
    "large-file-names-dropped.fixed",
    "glibc-archive-in-musl-build.fixed",
    "library-newer-than-target.fixed",
    "refused-cgo-flag.fixed",
    "link-order.fixed",
    "not-position-independent.fixed",
    "cpp-runtime-missing.fixed",
    "preamble-defined-twice.fixed",
    "stray-c-file.fixed",
    "cgo-required.fixed",
    "cgo-required-by-build-mode.fixed",
    "toolchain-not-available.fixed",
    "toolchain-not-available-offline.fixed",
    "vendored-files-missing.fixed",
    "glibc-headers-in-musl-build.fixed",
    "glibc-libraries-in-musl-build.fixed",
    "musl-linked-by-host-cxx.fixed",
    "unwritable-cache.fixed",
    "no-place-for-the-cache.fixed",
    "disk-full.fixed",
    "build-cache-full.fixed",
    "noexec-temporary-folder.fixed",
    "noexec-test-folder.fixed",
    "vcs-stamping-failed.fixed",
    "c-files-without-cgo.fixed",
    "c-file-in-a-go-package.fixed",
    "detached-preamble.fixed",
    "system-call-of-another-system.fixed",
    "static-in-cgo-ldflags.fixed",
    "cgo-turned-off-on-purpose",
    "healthy-cold",
    "c-memory-growth.fixed",
    "heap-corrupted.fixed",
    "missing-ca-certificates.fixed",
    "missing-ca-certificates.fixed-2",
    "missing-ca-certificates.fixed-4",
    "missing-time-zones.fixed",
    "missing-temporary-folder.fixed",
    "user-not-in-passwd.fixed",
    "missing-resolver-files.fixed",
    "resolver-of-go.fixed",
    "resolver-module-missing.fixed",
    "healthy-image-without-etc",
    "address-space-limit.fixed",
    "all-threads-syscall.fixed",
    "no-vdso.fixed",
    "call-unknown-to-kernel.fixed",
    "cgo-pointer-rule.fixed",
    "clone3-refused.fixed",
    "epoll-refused.fixed",
    "ended-by-seccomp.fixed",
    "faccessat2-refused.fixed",
    "fork-from-cgo.fixed",
    "handler-without-onstack.fixed",
    "healthy-refused-and-copes",
    "healthy-signals-and-threads",
    "illegal-instruction.fixed",
    "io-uring-refused.fixed",
    "perf-event-refused.fixed",
    "privileged-port.fixed",
    "read-only-file-system.fixed",
    "refused-by-landlock.fixed",
    "refused-in-a-landlock-sandbox.fixed",
    "loader-outside-the-sandbox.fixed",
    "too-many-open-files.fixed",
    "too-many-threads.fixed",
    "shared-library-not-found.fixed",
    "run-path-not-transitive.fixed",
    "run-path-relative.fixed",
    "library-not-found-by-dlopen.fixed",
    "error-asked-on-another-thread.fixed",
    "missing-interpreter.fixed",
    "missing-interpreter-in-scratch.fixed",
    "missing-interpreter-in-chroot.fixed",
    "glibc-too-old.fixed",
    "undefined-symbol.fixed",
    "undefined-symbol-by-dlopen.fixed",
    "glibc-program-on-musl.fixed",
    "wrong-elf-file.fixed",
    "wrong-elf-class.fixed",
    "library-is-a-text.fixed",
    "program-for-another-machine.fixed",
    "plugin-mismatch.fixed",
    "plugin-that-is-none.fixed",
    "plugin-without-cgo.fixed",
    "noexec-library.fixed",
    "noexec-program.fixed",
    "shared-library-not-found.fixed-2",
    "run-path-not-transitive.fixed-2",
    "undefined-symbol-by-dlopen.fixed-2",
    "missing-interpreter.fixed-2",
    "wrong-elf-file.fixed-2",
    "healthy-run-plugin",
    "healthy-run-optional-library",
    "healthy-run-libraries",
    "dlopen-in-static-glibc-program.fixed",
    "dlopen-brings-an-older-glibc.fixed",
    "dlopen-in-static-program.fixed",
    "glibc-library-in-musl-program.fixed",
    "glibc-library-in-musl-program.fixed-2",
    "glibc-library-needed-under-musl.fixed",
    "go-archive-on-musl.fixed",
    "go-archive-on-musl.fixed-2",
    "go-library-needed-under-musl.fixed",
    "go-library-on-musl.fixed",
    "healthy-lazy-library",
    "healthy-optional-symbol",
    "healthy-second-choice",
    "healthy-static-names",
    "lazy-library-of-another-libc.fixed",
    "lazy-library-of-another-libc.fixed-2",
    "library-not-opened-and-used.fixed",
    "musl-library-in-glibc-program.fixed",
    "musl-ssl-library-init.fixed",
    "null-pointer-of-its-own",
    "relr-needed-by-a-program.fixed",
    "relr-on-old-musl.fixed",
    "relr-on-old-musl.fixed-2",
    "ssl-library-init-null.fixed",
    "static-glibc-loads-nss.fixed",
    "static-glibc-loads-nss.fixed-2",
    "static-glibc-loads-older-nss.fixed",
]


NEWER = {Facet.CLOCK_READS: ["clock-read-by-system-call"]}
"""What captures of runs could not observe yet when some of these were recorded, and the rules that need it."""


def diagnosis_of(name: str) -> Diagnosis:
    """What is said of it. No rule is without an answer but those that nobody thought of when it was recorded."""
    recording = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    assert recording.damage is None
    diagnosis = diagnose(build(recording.header, recording.events))
    unknown = [facet for facet in NEWER if recording.header.running and facet not in recording.header.observes]
    assert [one.name for one in diagnosis.not_evaluated] == [rule for facet in unknown for rule in NEWER[facet]]
    return diagnosis


@pytest.mark.parametrize("name", FOUND)
def test_the_failure_is_named_first_and_alone(name: str) -> None:
    diagnosis = diagnosis_of(name)
    assert [finding.name for finding in diagnosis.findings] == [FOUND[name]]
    finding = diagnosis.findings[0]
    assert finding.evidence
    assert finding.fix
    assert finding.span is not None


@pytest.mark.parametrize("name", ACCOMPANIED)
def test_the_failure_is_named_first_and_what_goes_with_it_behind(name: str) -> None:
    diagnosis = diagnosis_of(name)
    assert [finding.name for finding in diagnosis.findings] == ACCOMPANIED[name]
    assert all(finding.evidence and finding.fix for finding in diagnosis.findings)


@pytest.mark.parametrize("name", CLEAN)
def test_the_fix_and_the_healthy_build_are_silent(name: str) -> None:
    assert diagnosis_of(name).findings == []


def test_every_recording_is_expected_to_say_something() -> None:
    names = {path.name.removesuffix(".gotrace.zst") for path in RECORDINGS.glob("*.gotrace.zst")}
    assert names == {*FOUND, *ACCOMPANIED, *CLEAN}


@pytest.mark.parametrize("name", [*FOUND, *ACCOMPANIED, *CLEAN])
def test_a_recording_cut_anywhere_raises_nothing_and_never_counts_as_clean(name: str, tmp_path: Path) -> None:
    whole = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    for part in (0.0, 0.3, 0.7, 0.95):
        events = whole.events[: int(len(whole.events) * part)]
        diagnosis = diagnose(build(whole.header, events, damage="cut off"))
        assert diagnosis.findings or diagnosis.not_evaluated
