r"""Events in strace notation: how findings show their evidence.

Pure text, the same on every machine and in every locale. Paths are never cut; other texts are, as strace does it:
`"..."...`. Texts are quoted as C strings. They are `printable` already, so a backslash in them is an escape (`\\` or
`\xNN`) and stays. Bidirectional and other exotic characters are left to the reports, which escape them in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from gotrace.events import addresses, arguments, running
from gotrace.events.errno import errno_name, errno_text
from gotrace.events.model import Event, Exec, Exit, Fact, Fork, Lost, Output, SyscallError
from gotrace.events.quotes import quote
from gotrace.events.signals import signal_name
from gotrace.events.signatures import SIGNATURES
from gotrace.events.text import to_bytes

ARGUMENT_LIMIT = 64
"""Characters of one argument, and arguments of one vector, that are shown unless the caller wants more or fewer."""
OUTPUT_LIMIT = 256
"""Characters of a tool's output that are shown unless the caller wants more or fewer."""

_AT_FDCWD = -100

_ACCESS_MODES = {0o0: "O_RDONLY", 0o1: "O_WRONLY", 0o2: "O_RDWR", 0o3: "O_ACCMODE"}
_OPEN_FLAGS = (  # arch/x86 uses include/uapi/asm-generic/fcntl.h; where one flag contains another, the larger is first
    (0o20200000, "O_TMPFILE"),
    (0o4010000, "O_SYNC"),
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o10000, "O_DSYNC"),
    (0o20000, "FASYNC"),
    (0o40000, "O_DIRECT"),
    (0o100000, "O_LARGEFILE"),
    (0o200000, "O_DIRECTORY"),
    (0o400000, "O_NOFOLLOW"),
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
)
_NEEDS_MODE = 0o100 | 0o20000000  # O_CREAT, and the bit that only O_TMPFILE has


def render(event: Event, limit: int | None = None) -> str:
    """One line for one event.

    `limit` is the number of characters of a text (never of a path) and of elements of a vector to show; without it
    `ARGUMENT_LIMIT` and `OUTPUT_LIMIT` hold. An event of an unforeseen kind is named only.
    """
    match event:
        case Exec():
            return _exec(event, ARGUMENT_LIMIT if limit is None else limit)
        case SyscallError():
            return _syscall_error(event)
        case Exit():
            return _exit(event)
        case Output():
            return _output(event, OUTPUT_LIMIT if limit is None else limit)
        case Fork():
            return f"clone(...) = {event.child_pid}"
        case Fact():
            return _fact(event, OUTPUT_LIMIT if limit is None else limit)
        case Lost():
            about = "" if event.exact else "up to "
            return f"+++ lost {about}{event.count} {event.what} events ({event.reason}) +++"
        case _:
            return running.render(event)


def _failure(errno: int) -> str:
    return f"= -1 {errno_name(errno)} ({errno_text(errno)})"


def _exec(event: Exec, limit: int) -> str:
    vector = "[...]" if event.argv is None else _vector(event.argv, event.argv_bytes is not None, limit)
    outcome = _failure(event.error) if event.error else "= 0"
    return f"execve({quote(event.path)}, {vector}) {outcome}"


def _vector(argv: Sequence[str], truncated: bool, limit: int) -> str:
    shown = [quote(argument, limit) for argument in argv[:limit]]
    if truncated or len(argv) > limit:
        shown.append("...")
    return f"[{', '.join(shown)}]"


def _syscall_error(event: SyscallError) -> str:
    notes = [event.abi] if event.abi != "x86_64" else []
    if event.in_progress:
        notes.append("EINPROGRESS, then this by SO_ERROR")
    if event.repeat > 1:
        notes.append(f"{event.repeat} times")
    comment = f" /* {', '.join(notes)} */" if notes else ""
    return f"{event.syscall}({', '.join(_arguments(event))}) {_failure(event.errno)}{comment}"


def _arguments(event: SyscallError) -> list[str]:
    signature = SIGNATURES.get(event.syscall)
    if signature is None:
        shown = [quote(path) for path in event.paths]
        return [*shown, "..."] if shown else [hex(value) for value in event.args]
    shown = list(_decoded(signature, event.args, iter(event.paths), event.address))
    # What could not be read is "..."; one such mark says as much as several.
    return [part for position, part in enumerate(shown) if part != "..." or shown[position - 1 : position] != ["..."]]


def _decoded(signature: str, args: Sequence[int], paths: Iterator[str], address: str) -> Iterator[str]:
    for position, letter in enumerate(signature):
        value = args[position] if position < len(args) else None
        path = next(paths, None) if letter == "p" else None
        if path is not None:
            yield quote(path)
        elif letter == "s" and address:
            yield addresses.render(address)
        elif value is None or letter == ".":
            yield "..."
        elif letter == "o":
            yield _open_flags(value)
            if value & _NEEDS_MODE and position + 1 < len(args):
                yield _mode(args[position + 1])
        else:
            yield _number(letter, value)
    yield from (quote(path) for path in paths)


def _number(letter: str, value: int) -> str:
    match letter:
        case "d":
            return "AT_FDCWD" if _signed(value) == _AT_FDCWD else str(_signed(value))
        case "i":
            return str(_signed(value))
        case "n":
            return str(value - (1 << 64) if value >> 63 else value)
        case "m":
            return _mode(value)
        case "a":
            return _access_mode(value)
        case "p" | "s" | "t":  # of a path and a socket address that could not be read where they are
            return running.pointer(value)
        case _ if letter in _NAMED:
            return _NAMED[letter](value & 0xFFFFFFFF)
        case _:
            return hex(value) if value else "0"


_NAMED: Final[Mapping[str, Callable[[int], str]]] = {
    "P": arguments.protection,
    "M": arguments.mapping,
    "R": arguments.resource,
    "W": arguments.whose_priority,
    "F": arguments.family,
    "S": arguments.kind_of_socket,
}
"""What is called by name, by its letter in a signature."""


def _signed(register: int) -> int:
    """The C int in the low half of a register: descriptors and flags are 32 bits wide, the rest may be garbage."""
    low = register & 0xFFFFFFFF
    return low - (1 << 32) if low & 0x80000000 else low


def _mode(value: int) -> str:
    return f"0{value & 0o7777:03o}"


def _access_mode(value: int) -> str:
    names = [name for bit, name in ((4, "R_OK"), (2, "W_OK"), (1, "X_OK")) if value & bit]
    return "|".join(names) or "F_OK"


def _open_flags(value: int) -> str:
    value &= 0xFFFFFFFF
    names = [_ACCESS_MODES[value & 0o3]]
    rest = value & ~0o3
    for bits, name in _OPEN_FLAGS:
        if rest & bits == bits:
            names.append(name)
            rest &= ~bits
    if rest:
        names.append(hex(rest))
    return "|".join(names)


def _exit(event: Exit) -> str:
    if event.signal is None:
        status = "?" if event.status is None else event.status
        return f"+++ exited with {status} +++"
    core = " (core dumped)" if event.core else ""
    return f"+++ killed by {signal_name(event.signal)}{core} +++"


def _output(event: Output, limit: int) -> str:
    length = len(to_bytes(event.text))
    more = "..." if event.truncated and len(event.text) <= limit else ""
    return f"write({event.fd}, {quote(event.text, limit)}{more}, {length}) = {length}"


def _fact(event: Fact, limit: int) -> str:
    """A fact is no call: what a tool or the disk said is told in words, with the question in front."""
    told = _FACTS_TOLD.get(event.name)
    words = told(event) if told is not None else None
    if words:
        return " ".join(words.splitlines())
    data = "".join(
        f" {key}={quote(value, limit) if isinstance(value, str) else _json(value, limit)}"
        for key, value in event.data.items()
    )
    subject = f" {quote(event.subject)}" if event.subject else ""
    return f"/* {event.name}{subject}:{data} */"


def _compiler_fact(event: Fact) -> str | None:
    asked = " ".join([event.subject.rpartition("/")[2], *_strings(event.data.get("arguments")), "-dumpmachine"])
    target = event.data.get("target")
    return f"{asked}: {target}" if target else None


def _package_fact(event: Fact) -> str | None:
    files = ", ".join(_strings(event.data.get("cgo_files")))
    position = event.data.get("import_c")
    at = f' (import "C" at {position})' if position else ""
    return f"go list: {event.subject}: {files} is left out without cgo{at}" if files else None


def _header_fact(event: Fact) -> str | None:
    found = _strings(event.data.get("found"))
    return f"on the disk: {event.subject} is {', '.join(found[:_FILES_TOLD])}" if found else None


def _library_fact(event: Fact) -> str | None:
    told = []
    found = event.data.get("found")
    for one in (one for one in found if isinstance(one, dict)) if isinstance(found, list | tuple) else ():
        kind, machine = one.get("kind"), one.get("machine")
        told.append(f"{one.get('path')} ({kind}, for {machine})" if machine else f"{one.get('path')} ({kind})")
    return f"on the disk: {', '.join(told[:_FILES_TOLD])}" if told else None


def _name_lookup_fact(event: Fact) -> str | None:
    addresses = ", ".join(_strings(event.data.get("addresses")))
    return f"getent ahosts {event.subject}: {addresses}" if addresses else None


def _shared_object_fact(event: Fact) -> str | None:
    told = []
    found = event.data.get("found")
    for one in (one for one in found if isinstance(one, dict)) if isinstance(found, list | tuple) else ():
        notes = [f"for {one['machine']}" if one.get("machine") else "no ELF file"]
        notes += [f"on a file system mounted with noexec: {one['noexec']}"] if one.get("noexec") else []
        told.append(f"{one.get('path')} ({', '.join(notes)})")
    return f"on the disk: {', '.join(told[:_FILES_TOLD])}" if told else None


def _binary_fact(event: Fact) -> str | None:
    machine = event.data.get("machine")
    return f"on the disk: {event.subject} is for {machine}" if machine else None


_FILES_TOLD = 4
_KIB = 1024


def _memory_fact(event: Fact) -> str | None:
    """One look at it, as evidence shows it; a recording has many in one fact."""
    whose = (("c", "C holds"), ("go", "Go's heap"), ("files", "files"))
    told = [(words, event.data.get(name)) for name, words in whose]
    if not all(isinstance(kib, int) for _, kib in told):
        return None
    return ", ".join(f"{words} {kib / _KIB:.1f} MiB" for words, kib in told if isinstance(kib, int))


_FACTS_TOLD = {
    "binary": _binary_fact,
    "compiler": _compiler_fact,
    "gopackage": _package_fact,
    "header": _header_fact,
    "library": _library_fact,
    "memory": _memory_fact,
    "shared_object": _shared_object_fact,
    "name_lookup": _name_lookup_fact,
}


def _strings(value: object) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list | tuple) else []


def _json(value: object, limit: int) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= limit else text[:limit] + "..."
