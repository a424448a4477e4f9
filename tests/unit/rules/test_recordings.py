"""The rules on recordings of real failures and of their fixes (made by tests/integration/test_rules.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

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
}
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
]


def diagnosis_of(name: str) -> Diagnosis:
    recording = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    assert recording.damage is None
    return diagnose(build(recording.header, recording.events))


@pytest.mark.parametrize("name", FOUND)
def test_the_failure_is_named_first_and_alone(name: str) -> None:
    diagnosis = diagnosis_of(name)
    assert [finding.name for finding in diagnosis.findings] == [FOUND[name]]
    assert diagnosis.not_evaluated == []
    finding = diagnosis.findings[0]
    assert finding.evidence
    assert finding.fix
    assert finding.span is not None


@pytest.mark.parametrize("name", CLEAN)
def test_the_fix_and_the_healthy_build_are_silent(name: str) -> None:
    diagnosis = diagnosis_of(name)
    assert (diagnosis.findings, diagnosis.not_evaluated) == ([], [])


def test_every_recording_is_expected_to_say_something() -> None:
    names = {path.name.removesuffix(".gotrace.zst") for path in RECORDINGS.glob("*.gotrace.zst")}
    assert names == {*FOUND, *CLEAN}


@pytest.mark.parametrize("name", [*FOUND, *CLEAN])
def test_a_recording_cut_anywhere_raises_nothing_and_never_counts_as_clean(name: str, tmp_path: Path) -> None:
    whole = read_recording(RECORDINGS / f"{name}.gotrace.zst")
    for part in (0.0, 0.3, 0.7, 0.95):
        events = whole.events[: int(len(whole.events) * part)]
        diagnosis = diagnose(build(whole.header, events, damage="cut off"))
        assert diagnosis.findings or diagnosis.not_evaluated
