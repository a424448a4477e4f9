"""Writes which release of the GNU C library, or of GCC's C++ library, was the first to have a symbol.

    apt-get download libc6 libstdc++6    # of the newest suite there is: it knows what all before it had
    tools/generate_symbol_versions.py libc6_*.deb libstdc++6_*.deb gotrace/rules/data/symbol-versions.tsv.zst

The input is the list of symbols that each of these packages carries (deb-symbols(5)); nothing is fetched here. One line
of the output is

    <version> <name>    the name, as a linker shows it (demangled), is there from that version (GLIBC_2.34) on

with a tab between them. Names that are older than what is still in use are left out, and so are those of GCC 5,
where all names with std::string and std::list changed: to miss them means another thing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import zstandard

ENTRY = re.compile(r" (?P<name>\S+)@(?P<version>(?P<family>GLIBC|GLIBCXX|CXXABI)_(?P<number>[\d.]+)) \S+")
OLDEST = {"GLIBC": (2, 18), "GLIBCXX": (3, 4, 22), "CXXABI": (1, 3, 10)}
"""What came after glibc 2.17 (2012), and after GCC 5."""


def numbers(text: str) -> tuple[int, ...]:
    """2.9 comes before 2.10."""
    return tuple(int(part) for part in re.findall(r"\d+", text))


def entries(package: Path) -> Iterator[re.Match[str]]:
    """The symbols of a package, each with its version."""
    asked = ["dpkg-deb", "-I", str(package), "symbols"]
    listed = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    yield from filter(None, map(ENTRY.fullmatch, listed.splitlines()))


def field(package: Path, name: str) -> str:
    """A field of the package's control file."""
    asked = ["dpkg-deb", "-f", str(package), name]
    return subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()


def demangled(names: list[str]) -> list[str]:
    """The names as linkers show them, in the same order."""
    told = subprocess.run(["c++filt"], input="\n".join(names), check=True, capture_output=True, text=True).stdout
    return told.splitlines()


def main() -> None:
    """Read the packages, write the data file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("packages", type=Path, nargs="+")
    parser.add_argument("output", type=Path)
    given = parser.parse_args()

    first: dict[str, re.Match[str]] = {}
    for package in given.packages:
        for entry in entries(package):
            older = first.get(entry["name"])
            if older is None or numbers(entry["number"]) < numbers(older["number"]):
                first[entry["name"]] = entry
    kept = [e for e in first.values() if numbers(e["number"]) >= OLDEST[e["family"]] and e["name"] != e["version"]]
    kept.sort(key=lambda entry: (entry["family"], numbers(entry["number"]), entry["name"]))
    names = demangled([entry["name"] for entry in kept])
    sources = ", ".join(f"{field(package, 'Package')} {field(package, 'Version')}" for package in given.packages)
    lines = [
        f"# source: the lists of symbols of Debian's packages for amd64 (deb-symbols(5)): {sources}",
        f"# date: {datetime.now(UTC).date().isoformat()}",
        *dict.fromkeys(f"{entry['version']}\t{name}" for entry, name in zip(kept, names, strict=True)),
    ]
    text = ("\n".join(lines) + "\n").encode()
    given.output.write_bytes(zstandard.ZstdCompressor(level=19, write_checksum=True).compress(text))
    print(f"{given.output}: {len(lines)} lines, {len(text)} bytes, {given.output.stat().st_size} compressed")


if __name__ == "__main__":
    main()
