"""Writes the names of the functions that C libraries offer: a static program has them among its own.

    tools/generate_libc_functions.py /lib/x86_64-linux-gnu/libc.so.6 /usr/lib/x86_64-linux-musl/libc.so

Names that begin with two underscores are left out: they are reserved for the implementation, and recognised by that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gotrace.elf.elf_file import ElfFile
from gotrace.elf.symbol_table import FUNC, GLOBAL, IFUNC, UNDEFINED, WEAK, dynamic_symbols

HIDDEN = {"_quicksort", "clone3"}
"""What they do not offer, and a stack may begin with or go through."""
OUTPUT = Path(__file__).resolve().parent.parent / "gotrace/elf/data/libc_functions.txt"


def functions(library: Path) -> set[str]:
    """The names that a library offers."""
    file = ElfFile.open(library)
    table = dynamic_symbols(file) if file is not None else None
    if table is None:
        raise SystemExit(f"{library}: no library")
    return {
        table.name(name)
        for name, info, section, _, _ in table.fields()
        if section != UNDEFINED and info & 15 in (FUNC, IFUNC) and info >> 4 in (GLOBAL, WEAK)
    }


def main() -> None:
    """Read the libraries, write the data file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("libraries", type=Path, nargs="+")
    found = HIDDEN.union(*map(functions, parser.parse_args().libraries))
    names = sorted(name for name in found if not name.startswith("__"))
    OUTPUT.write_text("".join(f"{name}\n" for name in names))
    print(f"{OUTPUT}: {len(names)} names")


if __name__ == "__main__":
    main()
