"""Which of the files that programs ask a system for are there: certificates, time zones, resolver, users, folders.

Asked where a program of Go failed, below its own root. Addresses of name servers and the `hosts` line of
nsswitch.conf are all that is kept of a content.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from glob import glob
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.found import Found, real, recorded
from gotrace.capture.facts.processes import Processes, ProcessLife
from gotrace.elf.golinked import linked_in
from gotrace.events.model import KnownEvent

_CERTIFICATES: Final = (
    "/etc/ssl/certs",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Go's crypto/x509/root_linux.go."""
_TIME_ZONES: Final = ("/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo")
"""Go's time/zoneinfo_unix.go."""
_TEMPORARY: Final = ("/tmp", "/var/tmp")
_MODULES: Final = ("/lib/*-linux-*", "/usr/lib/*-linux-*", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
_KNOWN_TO_GO: Final = ("files", "dns")
_LARGEST: Final = 1 << 16
_MOST_PROGRAMS: Final = 16
_MOST_RUNS: Final = 8
_MOST_NAMES: Final = 4
_LOOKED_UP: Final = re.compile(r"\blookup ([A-Za-z0-9_][A-Za-z0-9_.-]{0,252})(?: on \S+)?: ")
_PATIENCE_S: Final = 1.0


def system_file_facts(processes: Processes, events: Sequence[KnownEvent]) -> list[Found]:
    """Facts of each program of Go that failed: `go_program` and, of the root that it ran in, `system_files`."""
    found: list[Found] = []
    described: dict[str, Any] = {}
    looked_at: dict[str, tuple[str, ...] | None] = {}
    for life in _failed(processes):
        path = _program(life)
        if path not in looked_at and len(looked_at) < _MOST_PROGRAMS:
            looked_at[path] = linked_in(path)
        parts = looked_at.get(path)
        if parts is None or len(found) >= 2 * _MOST_RUNS:
            continue
        described = described or _described()
        found.append(Found("go_program", recorded(path), {"parts": list(parts)}, life.pid))
        found.append(Found("system_files", "", described, life.pid))
    return found


def name_lookup_facts(processes: Processes) -> Iterator[Found]:
    """A `name_lookup` fact for each name that Go's resolver failed to find: what the C library says of it.

    Asked only where nsswitch.conf names sources that Go's resolver does not know, and in our own root.
    """
    if not any(source not in _KNOWN_TO_GO for source in _hosts_sources() or ()):
        return
    asker, asked = Asker(_PATIENCE_S), set[str]()
    for life in _failed(processes):
        for name in _LOOKED_UP.findall(life.text)[:_MOST_NAMES]:
            if name not in asked and len(asked) < _MOST_NAMES:
                asked.add(name)
                with suppress(NoAnswerError):
                    yield Found("name_lookup", recorded(name), {"addresses": _libc_says(name, life, asker)}, life.pid)


def _libc_says(name: str, life: ProcessLife, asker: Asker) -> list[str]:
    """The addresses that getaddrinfo(3) finds, in the environment of the program."""
    given = life.images[-1].exec.env or {}
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    env |= {key: real(given[key]) for key in ("LD_LIBRARY_PATH",) if key in given}
    try:
        answer = asker.ask(["getent", "ahosts", name], env=env, cwd="/")
    except NoAnswerError:
        if asker.seconds_left == 0.0:
            raise
        return []
    return list(dict.fromkeys(line.split()[0] for line in answer.splitlines() if line.split()))


def _failed(processes: Processes) -> Iterator[ProcessLife]:
    return (life for life in processes.lives() if life.failed)


def _program(life: ProcessLife) -> str:
    image = life.images[-1]
    return str(Path(real(image.exec.cwd or "/"), real(image.exec.path)))


def _described() -> dict[str, Any]:
    sources = _hosts_sources()
    return {
        "certificates": {path: _entries(path) for path in _CERTIFICATES if _there(path)},
        "time_zones": [path for path in _TIME_ZONES if _entries(path)],
        "name_servers": _name_servers(),
        "hosts": _there("/etc/hosts"),
        "hosts_sources": sources,
        "modules": {source: _module(source) for source in sources or () if source not in _KNOWN_TO_GO},
        "passwd": _there("/etc/passwd"),
        "temporary": {path: _folder(path) for path in _TEMPORARY},
    }


def _there(path: str) -> bool:
    return os.path.exists(path)  # noqa: PTH110  follows links, as open does


def _entries(path: str) -> int:
    """How many files a folder holds; 1 for a file, 0 for nothing."""
    with suppress(OSError):
        return len(os.listdir(path)) if Path(path).is_dir() else int(Path(path).is_file())  # noqa: PTH208
    return 0


def _folder(path: str) -> str:
    """ "there", "missing", "read-only" or "no folder"."""
    if not _there(path):
        return "missing"
    if not Path(path).is_dir():
        return "no folder"
    return "read-only" if os.statvfs(path).f_flag & os.ST_RDONLY else "there"


def _text(path: str) -> str | None:
    with suppress(OSError):
        if Path(path).is_file():  # a fifo of that name would wait for ever
            with Path(path).open("rb") as file:
                return file.read(_LARGEST).decode(errors="replace")
    return None


def _name_servers() -> list[str] | None:
    """Addresses in resolv.conf(5); None where there is none that can be read."""
    text = _text("/etc/resolv.conf")
    if text is None:
        return None
    servers = []
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            with suppress(ValueError):
                servers.append(str(ip_address(words[1])))
    return servers


def _hosts_sources() -> list[str] | None:
    """The sources of host names in nsswitch.conf(5), without what to do after each; None where no line says."""
    for line in (_text("/etc/nsswitch.conf") or "").splitlines():
        database, colon, sources = line.partition("#")[0].partition(":")
        if colon and database.strip() == "hosts":
            words = re.sub(r"\[[^]]*\]", " ", sources).split()
            return [recorded(word) for word in words if re.fullmatch(r"[\w-]+", word)]
    return None


def _module(source: str) -> str | None:
    """Where the C library would find the code of a source of nsswitch.conf; None where it is not."""
    found = (path for folder in _MODULES for path in sorted(glob(f"{folder}/libnss_{source}.so.2")))  # noqa: PTH207
    first = next(found, None)
    return None if first is None else recorded(first)
