"""Writes the offline package data of the rules: which Debian package holds a header, a library, a pkg-config file.

    apt-get update    # with apt-file installed, so that the Contents indices are fetched too
    tools/generate_package_data.py gotrace/rules/data/debian-12-amd64.tsv.zst

The input is what apt already downloaded; nothing is fetched here. One line of the output is

    H <folder> <packages> <file> <file> ...    headers of one folder that come from the same packages
    L <name> <packages> <kinds>                libNAME.so ("so") or libNAME.a ("a") in a folder that ld searches
    P <name> <packages>                        NAME.pc

with tabs between the fields, blanks between files and commas between packages; `:all` marks a package that is the
same on all architectures. Folders are relative to /usr, the multiarch folder in them is written `@`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

import zstandard

LISTS = Path("/var/lib/apt/lists")
HELPER = "/usr/lib/apt/apt-helper"
SUITE = "bookworm"
ARCHITECTURE = "amd64"
MULTIARCH = "x86_64-linux-gnu"

HEADER = re.compile(r"usr/(?P<folder>include(?:/.+)?|lib/.+/include(?:/.+)?)/(?P<file>[^/]+\.(?:h|hh|hpp|hxx))")
LIBRARY = re.compile(rf"(?:usr/)?lib/(?:{MULTIARCH}/)?lib(?P<name>[^/]+)\.(?P<kind>so|a)")
PKG_CONFIG = re.compile(rf"usr/(?:lib/(?:{MULTIARCH}/)?|share/)pkgconfig/(?P<name>[^/]+)\.pc")
DEVELOPMENT = re.compile(r"(-dev|-headers|-dev-compat|-dev-bin)$|-dev-|^(gcc|lib(std|gcc|objc|gfortran|gnat)[^/]*)-\d+")
FOREIGN = re.compile(r"-cross$|mingw-w64|-arm-none-eabi|wasm32|-avr|-klibc|dietlibc|^musl-dev$|^libwine")
"""Headers of another machine or another libc: what a compiler for this system must not be given."""
TOO_DEEP = 7
"""Folders below this depth are insides of C++ template libraries that nobody includes by hand."""


def index(name: str) -> Iterator[tuple[str, list[str]]]:
    """Path and packages of each line of a Contents index, decompressed by apt itself.

    Format: https://wiki.debian.org/DebianRepository/Format#A.22Contents.22_indices
    """
    (compressed,) = LISTS.glob(f"*_dists_{SUITE}_main_Contents-{name}.*")
    with subprocess.Popen([HELPER, "cat-file", str(compressed)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            path, _, packages = line.rstrip("\n").rpartition(" ")
            names = [package.rpartition("/")[2] for package in packages.split(",")]
            yield path.rstrip(), [p for p in names if DEVELOPMENT.search(p) and not FOREIGN.search(p)]


def release() -> tuple[str, str]:
    """Version and day of the release that the indices belong to."""
    (signed,) = LISTS.glob(f"*_dists_{SUITE}_InRelease")
    fields = dict(re.findall(r"^(Version|Date): (.+)$", signed.read_text(), re.MULTILINE))
    return fields["Version"], parsedate_to_datetime(fields["Date"]).astimezone(UTC).date().isoformat()


def main() -> None:
    """Read the indices, write the data file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args().output

    headers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    libraries: defaultdict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    pkg_configs: defaultdict[str, set[str]] = defaultdict(set)
    for name, mark in ((ARCHITECTURE, ""), ("all", ":all")):
        for path, owners in index(name):
            packages = sorted(package + mark for package in owners)
            if not packages:
                continue
            if (match := HEADER.fullmatch(path)) and " " not in path and path.count("/") <= TOO_DEEP:
                folder = match["folder"].replace(f"/{MULTIARCH}", "/@", 1)
                headers[folder, ",".join(packages)].add(match["file"])
            elif match := LIBRARY.fullmatch(path):
                libraries[match["name"]][0].update(packages)
                libraries[match["name"]][1].add(match["kind"])
            elif match := PKG_CONFIG.fullmatch(path):
                pkg_configs[match["name"]].update(packages)

    version, day = release()
    lines = [
        f"# source: Debian {version} ({SUITE}) main, Contents indices of {ARCHITECTURE} and all",
        f"# date: {day}",
    ]
    lines += [
        f"H\t{folder}\t{owners}\t {' '.join(sorted(names))} " for (folder, owners), names in sorted(headers.items())
    ]
    lines += [
        f"L\t{name}\t{','.join(sorted(owners))}\t{','.join(sorted(kinds))}"
        for name, (owners, kinds) in sorted(libraries.items())
    ]
    lines += [f"P\t{name}\t{','.join(sorted(owners))}" for name, owners in sorted(pkg_configs.items())]
    text = ("\n".join(lines) + "\n").encode()
    output.write_bytes(zstandard.ZstdCompressor(level=19, write_checksum=True).compress(text))
    print(f"{output}: {len(lines)} lines, {len(text)} bytes, {output.stat().st_size} compressed")


if __name__ == "__main__":
    main()
