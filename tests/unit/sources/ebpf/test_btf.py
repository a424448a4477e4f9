"""Offsets from BTF: a small one made by hand, and the errors."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from gotrace.errors import CaptureError
from gotrace.sources.ebpf.btf import Btf

INT, STRUCT, UNION, TYPEDEF = 1, 4, 5, 8


def btf(tmp_path: Path) -> Path:
    """struct outer { int first; union { struct { int hidden; } ; int other; }; }; an int of 4 bytes; a tracepoint."""
    names = (b"int", b"outer", b"first", b"hidden", b"other", b"btf_trace_made_up")
    texts = b"\0" + b"\0".join(names) + b"\0"
    at = {name: texts.index(b"\0" + name + b"\0") + 1 for name in names}

    def kind(name: int, number: int, members: int, size: int) -> bytes:
        return struct.pack("<III", name, number << 24 | members, size)

    def member(name: int, type_id: int, bits: int) -> bytes:
        return struct.pack("<III", name, type_id, bits)

    types = (
        kind(at[b"int"], INT, 0, 4) + struct.pack("<I", 32)  # id 1
        + kind(0, STRUCT, 2, 8) + member(at[b"first"], 1, 0) + member(at[b"hidden"], 1, 32)  # id 2, anonymous
        + kind(0, UNION, 2, 8) + member(0, 2, 0) + member(at[b"other"], 1, 0)  # id 3, anonymous
        + kind(at[b"outer"], STRUCT, 2, 16) + member(at[b"first"], 1, 0) + member(0, 3, 64)  # id 4
        + kind(at[b"btf_trace_made_up"], TYPEDEF, 0, 4)  # id 5
    )  # fmt: skip
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(texts))
    path = tmp_path / "vmlinux"
    path.write_bytes(header + types + texts)
    return path


def test_members_of_anonymous_parts_count_as_the_outer_structures(tmp_path: Path) -> None:
    members = [("outer", "first"), ("outer", "hidden"), ("outer", "other")]
    assert Btf(btf(tmp_path)).offsets(members) == dict(zip(members, [0, 12, 8], strict=True))


def test_size(tmp_path: Path) -> None:
    assert Btf(btf(tmp_path)).size("outer") == 16


def test_a_tracepoint_is_named_by_its_types_id(tmp_path: Path) -> None:
    assert Btf(btf(tmp_path)).tracepoint("made_up") == 5
    with pytest.raises(CaptureError, match="no tracepoint absent"):
        Btf(btf(tmp_path)).tracepoint("absent")


def test_what_a_kernel_can_do_shows_in_its_names(tmp_path: Path) -> None:
    assert Btf(btf(tmp_path)).mentions("hidden")
    assert not Btf(btf(tmp_path)).mentions("hid")


@pytest.mark.parametrize(("structure", "member"), [("outer", "absent"), ("absent", "first")])
def test_what_the_kernel_lacks_is_named(tmp_path: Path, structure: str, member: str) -> None:
    with pytest.raises(CaptureError, match=f"{structure}.{member}"):
        Btf(btf(tmp_path)).offsets([(structure, member)])


def test_a_kernel_without_btf_is_told(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="does not describe its structures") as caught:
        Btf(tmp_path / "absent")
    assert "CONFIG_DEBUG_INFO_BTF" in caught.value.remedy


def test_a_file_that_is_no_btf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(b"ELF" * 20)
    with pytest.raises(CaptureError, match="not a BTF file"):
        Btf(tmp_path / "vmlinux")
