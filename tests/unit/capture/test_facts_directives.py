"""The #cgo lines and includes of a preamble, and their places."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.capture.facts.directives import preambles


def told(source: str | bytes) -> list[tuple[int, int, str]]:
    found = preambles(source if isinstance(source, bytes) else source.encode())
    return [] if found is None else [(*one.position, one.text.decode(errors="replace")) for one in found.directives]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('package p\n\n// #cgo LDFLAGS: -lfoo\nimport "C"', [(3, 4, "#cgo LDFLAGS: -lfoo")]),
        (
            'package p\n/*\n  #include <a.h> // why\n#cgo linux CFLAGS: -O1\t\n*/\nimport "C"',
            [(3, 3, "#include <a.h>"), (4, 1, "#cgo linux CFLAGS: -O1")],
        ),
        ('package p\r\n// #include "größe.h"\r\nimport "C"\r\n', [(2, 4, '#include "größe.h"')]),
        ('package p\n//#cgo pkg-config: a b\nimport (\n\t"C"\n)', [(2, 3, "#cgo pkg-config: a b")]),
        ('package p\nimport (\n\t"fmt"\n\t// #include <a.h>\n\t"C"\n)', [(4, 5, "#include <a.h>")]),
        (
            'package p\n// #include <a.h>\n/* x */ /* y\n#import <b.h> */\nimport "C"',
            [(2, 4, "#include <a.h>"), (4, 1, "#import <b.h>")],
        ),
        (
            'package p\n// #include <a.h>\nimport "C"\n// #include <b.h>\nimport "C"',
            [(2, 4, "#include <a.h>"), (4, 4, "#include <b.h>")],
        ),
        ('\ufeffpackage p // #include <no.h>\n// #  include_next <a.h>\nimport "C"', [(2, 4, "#  include_next <a.h>")]),
    ],
)
def test_a_line_is_found_where_it_stands(source: str, expected: list[tuple[int, int, str]]) -> None:
    assert told(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        'package p\n// #include <a.h>\n\nimport "C"',  # a blank line parts the comment from the import
        'package p // #include <a.h>\nimport "C"',  # belongs to the package clause
        'package p\n/* #include <a.h> */ import "C"',  # Go takes only what ends on the line above
        'package p\n// #include <a.h>\nimport (\n\t"fmt"\n\t"C"\n)',  # above two imports: nobody's
        'package p\nimport (\n\t"fmt" // #include <a.h>\n\t"C"\n)',  # behind another import
        'package p\n// #include <a.h>\nimport "fmt"\n// x\nimport "C"',
        'package p\n// the words #cgo LDFLAGS: -lfoo\n// #cgoLDFLAGS: -lfoo\n// #include FOO_H\nimport "C"',
        "package p\n// #include <a.h>\nfunc f() {}",
    ],
)
def test_what_is_no_preamble_does_not_count(source: str) -> None:
    assert told(source) == []


_LINES = st.sampled_from(
    ["// #include <a.h>\n", "/* #include <a.h> */\n", "//\n", "\n", "/*\n#include <a.h>\n*/\n", "; "]
)


@given(st.lists(_LINES, max_size=8).map("".join), st.sampled_from(['import "C"\n', 'import (\n"C"\n)\n']))
def test_each_place_is_that_of_the_text(above: str, end: str) -> None:
    source = f"package p\n{above}{end}"
    for line, column, text in told(source):
        assert source.split("\n")[line - 1][column - 1 :].startswith(text)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(noise: bytes) -> None:
    for source in (noise, b"package p\n/*" + noise + b'*/\nimport "C"', b"package p\n//" + noise + b'\nimport "C"'):
        told(source)


@pytest.mark.parametrize("unit", ["//\n", "/**/", "// #cgo" + " " * 200 + "\n", "\n", "/*", "// #include <", ";"])
def test_much_of_anything_takes_no_time(unit: str) -> None:
    source = b"package p\n" + unit.encode() * ((1 << 18) // len(unit)) + b'\nimport "C"'
    start = time.process_time()
    told(source)
    assert time.process_time() - start < 10, "quadratic would be minutes"
