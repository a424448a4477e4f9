"""The structures that C and Python share: what the compiler lays out is what the decoder reads, and stays as it was.

The numbers below are the format of spools: a change here makes spools of older versions unreadable and must be meant.
"""

from __future__ import annotations

import pytest

from gotrace.host.kernel import bcc_location
from gotrace.sources.ebpf import unit
from gotrace.sources.ebpf.compile import compile_probes
from gotrace.sources.ebpf.compiled import Compiled
from gotrace.sources.ebpf.records import format_of

HEAD = "ts_ns pid tid ns_pid kind part"
EXPECTED = {
    "fork_record": (32, f"{HEAD} child_pid child_ns_pid"),
    "exec_record": (40, f"{HEAD} argv_bytes env_bytes"),
    "exit_record": (32, f"{HEAD} code unused"),
    "text_record": (32, f"{HEAD} bytes flags text"),
    "failure_record": (96, f"{HEAD} ip args nr error abi path1_bytes path2_bytes flags text"),
    "syscall_info": (12, "path1 path2 noise_slot noise"),
    "config": (16, "cookie view_level unused"),
}
"""Structure: bytes before its text (or in all), members in order."""


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    if bcc_location() is None:
        pytest.skip("python3-bpfcc is not installed; `make setup` installs it")
    return compile_probes()


def test_the_compiler_lays_out_what_the_decoder_expects(compiled: Compiled) -> None:
    laid_out = {
        name: (format_of(layout, until="text").size, " ".join(member[0] for member in layout.members))
        for name, layout in compiled.layouts.items()
    }
    assert laid_out == EXPECTED


def test_records_begin_alike(compiled: Compiled) -> None:
    heads = {tuple(layout.members[:6]) for name, layout in compiled.layouts.items() if name.endswith("_record")}
    assert len(heads) == 1


def test_every_program_is_compiled_and_names_only_known_maps(compiled: Compiled) -> None:
    assert {program.name for program in compiled.programs} == set(unit.PROGRAMS)
    known = {spec.name for spec in compiled.maps}
    assert {name for program in compiled.programs for _, name in program.maps} <= known


def test_constants_are_read_from_the_header() -> None:
    constants = unit.constants()
    assert constants["KIND_FAILURE"] != constants["KIND_TEXT"]
    slots = [number for name, number in constants.items() if name.startswith("COUNTER_")]
    assert max(slots) == constants["COUNTER_ROW"]
    assert constants["COUNTER_NOISE"] + 128 <= constants["COUNTER_ROW"]


def test_every_kernel_member_the_probes_use_is_of_a_known_structure() -> None:
    assert ("task_struct", "tgid") in unit.members()
    assert all(member for _, member in unit.members())
