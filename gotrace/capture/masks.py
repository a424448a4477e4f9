"""What of the traced system never reaches the disk: variables that no rule needs, and secrets in what is kept.

An allow-list decides which environment variables are kept at all. In their values, in arguments and in the output of
tools the userinfo of URLs and the values of credential-like names are replaced by `***`. Better one harmless word
too many than one secret too few; but names of files, libraries and macros that merely contain such a word stay.

A secret that a tool writes in two pieces, or under a name that says nothing, is not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from gotrace.capture.credentials import (
    MASK,
    attached_secret,
    is_credential_flag,
    is_credential_name,
    mask_element,
    mask_text,
    may_hold_secret,
    program_flags,
)
from gotrace.events.model import Event, Exec, Output, SyscallError

__all__ = ["allowed_env", "allowed_variable", "mask_argv", "mask_event", "mask_text"]

# What the go command reads (go help environment) and hands to its tools. No prefix GO: GOOGLE_... begins like that.
# GOAUTH is missing: it is all credentials.
_GO = """
    GOOS GOARCH GOHOSTOS GOHOSTARCH GO386 GOAMD64 GOARM GOARM64 GOMIPS GOMIPS64 GOPPC64 GORISCV64 GOWASM GOEXE
    GOROOT GOROOT_FINAL GOPATH GOBIN GOCACHE GOCACHEPROG GOMODCACHE GOTMPDIR GOTOOLDIR GOTOOLCHAIN GOENV GOFLAGS GOWORK
    GOMOD GO111MODULE GOPROXY GOSUMDB GONOSUMDB GONOPROXY GOPRIVATE GOINSECURE GOVCS GOEXPERIMENT GOFIPS140 GODEBUG
    GOGC GOMEMLIMIT GOMAXPROCS GOTRACEBACK GOCOVERDIR GOTELEMETRY GOVERSION GOGCCFLAGS GCCGO GCCGOTOOLDIR
    GO_EXTLINK_ENABLED GO_LDSO TOOLEXEC_IMPORTPATH
"""
# What C toolchains read, and what gcc tells its cc1, as and collect2. MAKEFLAGS is missing: it carries every variable
# of a make command line.
_C = """
    CC CXX CPP FC F77 AR AS LD NM RANLIB STRIP OBJC CFLAGS CXXFLAGS CPPFLAGS FFLAGS LDFLAGS
    CPATH C_INCLUDE_PATH CPLUS_INCLUDE_PATH OBJC_INCLUDE_PATH LIBRARY_PATH COMPILER_PATH GCC_EXEC_PREFIX SYSROOT SDKROOT
    COLLECT_GCC COLLECT_GCC_OPTIONS COLLECT_LTO_WRAPPER MACOSX_DEPLOYMENT_TARGET REALGCC
    ZIG_LIB_DIR ZIG_LOCAL_CACHE_DIR ZIG_GLOBAL_CACHE_DIR SCCACHE_DIR SCCACHE_CONF SOURCE_DATE_EPOCH
"""
# Where things are looked for, and which language messages have.
_PLACES = """
    PATH HOME USER LOGNAME PWD TMPDIR TMP TEMP LANG LANGUAGE XDG_CACHE_HOME XDG_CONFIG_HOME
    LD_LIBRARY_PATH LD_PRELOAD LD_RUN_PATH LD_BIND_NOW QEMU_LD_PREFIX TZ ZONEINFO SSL_CERT_FILE SSL_CERT_DIR
"""
_ALLOWED = frozenset((_GO + _C + _PLACES).split())
_ALLOWED_PREFIXES = ("CGO_", "PKG_CONFIG", "CCACHE_", "LC_")
_COMPILER_FOR = re.compile(r"(?:CC|CXX)_(?:FOR_\w+|[a-z0-9]+(?:_\w+)?)")
"""CC_FOR_linux_arm64, and CC_linux_arm64, which people set though go does not read it. Not CC_TEST_REPORTER_ID."""


@lru_cache(maxsize=4096)
def allowed_variable(name: str) -> bool:
    """May this environment variable be recorded?"""
    return name in _ALLOWED or name.startswith(_ALLOWED_PREFIXES) or bool(_COMPILER_FOR.fullmatch(name))


def allowed_env(env: Mapping[str, str]) -> dict[str, str]:
    """The allow-listed variables of `env`, with masked values; one with a credential-like name has no value left."""
    return {name: _mask_value(name, value) for name, value in env.items() if allowed_variable(name)}


@lru_cache(maxsize=4096)  # all processes of a build have nearly the same environment
def _mask_value(name: str, value: str) -> str:
    return MASK if value and is_credential_name(name) else mask_text(value)


def mask_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """The arguments with their secrets masked; always as many as before.

    A credential may be in one argument (`--token=x`, `-X main.apiKey=x`, `https://user:x@host`) or be the argument
    after its flag (`--token x`).
    """
    flags = program_flags(argv)
    if not flags and not may_hold_secret("\0".join(argv)):
        return tuple(argv)
    masked: list[str] = []
    secret_next = False
    for element in argv:
        if secret_next and element and not element.startswith("-"):
            masked.append(MASK)
            secret_next = False
            continue
        flag = attached_secret(element, flags)
        masked.append(mask_element(element) if flag is None else flag + MASK)
        secret_next = element in flags or is_credential_flag(element)
    return tuple(masked)


def mask_event(event: Event) -> Event:
    """The event as it may be recorded: an exec's path, arguments and environment masked, or an output's text.

    Of a failing call's paths those are masked that are URLs: `git clone URL` first asks whether URL is a folder.
    """
    if isinstance(event, SyscallError):  # by far the most
        for path in event.paths:
            if "://" in path:
                return msgspec.structs.replace(event, paths=tuple(map(_mask_url, event.paths)))
        return event
    if isinstance(event, Output):
        text = mask_text(event.text)
        return event if text == event.text else msgspec.structs.replace(event, text=text)
    if not isinstance(event, Exec):
        return event
    path = mask_text(event.path)
    argv = None if event.argv is None else mask_argv(event.argv)
    env = None if event.env is None else allowed_env(event.env)
    if (path, argv, env) == (event.path, event.argv, event.env):
        return event
    return msgspec.structs.replace(event, path=path, argv=argv, env=env)


def _mask_url(path: str) -> str:
    return mask_text(path) if "://" in path else path
