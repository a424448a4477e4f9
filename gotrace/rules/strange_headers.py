"""Headers that no package brings: C++'s in a C compile, those of another system, and the project's own."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gotrace.events.tools import Role
from gotrace.rules import steps, targets
from gotrace.rules.finding import Fix
from gotrace.rules.includes import MissingHeader
from gotrace.trace.model import Trace

_CXX_NAMES = (
    "algorithm any array atomic bitset cassert cctype cerrno chrono climits cmath complex condition_variable cstddef"
    " cstdint cstdio cstdlib cstring ctime deque exception filesystem fstream functional future initializer_list"
    " iomanip ios iosfwd iostream istream iterator limits list locale map memory mutex new numeric optional ostream"
    " queue random ratio regex set span sstream stack stdexcept streambuf string string_view system_error thread"
    " tuple type_traits typeinfo unordered_map unordered_set utility valarray variant vector"
)
_CXX = frozenset(_CXX_NAMES.split())
"""Headers of the C++ standard library: https://en.cppreference.com/w/cpp/headers."""
_CXX_FOLDER = "/usr/include/c++/"

_WINDOWS = re.compile(r"(?i)(windows|winsock2?|ws2tcpip|windef|winbase|winuser|winnt|winreg|tchar|shlobj|iphlpapi)\.h")
_MACOS = re.compile(
    r"(?:(CoreFoundation|CoreServices|CoreGraphics|ApplicationServices|Foundation|Cocoa|AppKit|Carbon|IOKit|Security"
    r"|SystemConfiguration|AudioToolbox|CoreAudio|AVFoundation|Metal|WebKit|UIKit)/[^/]+\.h|TargetConditionals\.h"
    r"|mach/mach\.h)"
)


@dataclass(frozen=True, slots=True)
class Strange:
    """What a header is that no package would help with."""

    what: str
    """The rest of a sentence that begins with the header: `is a C++ header, ...`."""
    fix: Fix


def strange(trace: Trace, missing: MissingHeader) -> Strange | None:
    """Why looking for a package of this header would be wrong; None for an ordinary one."""
    if _is_of_cxx(trace, missing.name) and _compiles_c(missing):
        return _cxx_in_c(missing)
    wanted = targets.target(missing.compiler.build) if missing.compiler.build is not None else None
    goos = wanted.goos if wanted is not None else "linux"
    if _WINDOWS.fullmatch(missing.name) and goos != "windows":
        return _of_system(missing, "Windows", "windows")
    if _MACOS.fullmatch(missing.name) and not missing.quoted and goos not in ("darwin", "ios"):
        return _of_system(missing, "macOS", "darwin")
    return None


def own_file(missing: MissingHeader) -> Fix | None:
    """What to do about a header that looks like the project's own: it stands in quotes, or its path goes upwards."""
    climbs = missing.name.startswith(("../", "./"))
    if not missing.quoted and not climbs:
        return None
    looks = f"{missing.name}, which looks like a file of the project's own,"
    folder = "name its folder: #cgo CFLAGS: -I${SRCDIR}/FOLDER"
    if climbs:
        return Fix(f"Put {looks} where this path leads from the file that includes it, or correct the path.")
    if "/" in missing.name:
        return Fix(f"Put {looks} at this path below the folder of the file that includes it, or {folder}.")
    return Fix(f"Put {looks} beside the file that includes it, or {folder}.")


def _is_of_cxx(trace: Trace, name: str) -> bool:
    paths = (trace.fact("header", name) or {}).get("found") or []
    there = any(str(path).startswith(_CXX_FOLDER) and str(path).endswith(f"/{name}") for path in paths)
    return "." not in name and (name in _CXX or there)


def _compiles_c(missing: MissingHeader) -> bool:
    """By the name of what ran: gcc's cc1 is for C, cc1plus for C++; clang and cgo's files say it by their name."""
    program = missing.compiler.exec.path.rpartition("/")[2]
    if missing.compiler.role is Role.CC1:
        return program == "cc1"
    words = steps.driver(missing.compiler).argv
    cxx = "++" in program or any(word.endswith((".cc", ".cpp", ".cxx", ".mm", "c++")) for word in words)
    return not cxx


def _cxx_in_c(missing: MissingHeader) -> Strange:
    file = missing.words.found["file"] if missing.words is not None else ""
    if file.endswith(".go"):
        text = 'Move what needs it into a .cc file of the package, and call that through functions of extern "C".'
        return Strange("is a C++ header, and a cgo preamble is C: put it into a .cc file", Fix(text))
    text = "Include it in files that are compiled as C++ (.cc, .cpp) only; cgo compiles preambles and .c files as C."
    return Strange("is a C++ header, and this compile is C", Fix(text))


def _of_system(missing: MissingHeader, system: str, goos: str) -> Strange:
    file = missing.words.found["file"] if missing.words is not None else "the file that includes it"
    text = f"Put `//go:build {goos}` at the top of {file}" if file.endswith(".go") else f"Keep {file} to {goos}"
    if not file.endswith(".go"):
        text += f" by a name that ends in _{goos} or by the //go:build line of the Go file that leads to it"
    return Strange(
        f"belongs to {system}: the file that includes it needs a //go:build line",
        Fix(f"{text}, with other files for the other systems."),
    )
