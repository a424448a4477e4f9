"""The structures that C and Python share: what the compiler lays out is what the decoder reads, and stays as it was.

The numbers below are the format of spools: a change here makes spools of older versions unreadable and must be meant.
"""

from __future__ import annotations

import re

import pytest

from gotrace.host.kernel import bcc_location
from gotrace.sources.ebpf import unit
from gotrace.sources.ebpf.compile import compile_probes
from gotrace.sources.ebpf.compiled import Compiled, format_of

pytestmark = pytest.mark.root("BCC makes maps as it compiles")
HEAD = "ts_ns pid tid ns_pid kind part"
EXPECTED = {
    "fork_record": (32, f"{HEAD} child_pid child_ns_pid"),
    "exec_record": (48, f"{HEAD} argv_bytes env_bytes mount_ns unused"),
    "exit_record": (32, f"{HEAD} code unused"),
    "text_record": (32, f"{HEAD} bytes flags text"),
    "failure_record": (96, f"{HEAD} ip args nr error abi path1_bytes path2_bytes flags text"),
    "syscall_info": (12, "path1 path2 noise_slot noise"),
    "config": (24, "cookie view_level stops reader unused"),
}
OF_A_RUN = {
    "failure_record": (
        368, f"{HEAD} ip args nr error abi path1_bytes path2_bytes flags burst frames stack text",
    ),
    "library_head": (40, "base size offset inode device unused"),
    "dl_record": (72, f"{HEAD} began_ns handle flags result caller name_bytes version_bytes text"),
    "signal_record": (
        800, f"{HEAD} address handler error_code trap registers code signal instruction_bytes stack_bytes frames"
        " instruction goroutine go_at go_found go_frames memory_bytes memory spill",
    ),
    "stack_record": (480, f"{HEAD} registers goroutine go_at go_found go_frames memory_bytes memory spill"),
    "burst": (72, f"{HEAD} id since_ns folded ip nr error abi seen unused"),
    "clock_reads": (64, f"{HEAD} id since_ns calls ip nr unused"),
    "file_id": (16, "inode device"),
    "unseen_record": (32, "ts_ns inode device pid stopped"),
}  # fmt: skip
TEXTS = ("text", "memory")
"""Structure: bytes before its text (or in all), members in order."""


@pytest.fixture(scope="module", params=[False, True], ids=["build", "run"])
def running(request: pytest.FixtureRequest) -> bool:
    """A build is followed, or a program's run."""
    return bool(request.param)


@pytest.fixture(scope="module")
def compiled(running: bool) -> Compiled:
    if bcc_location() is None:
        pytest.skip("python3-bpfcc is not installed; `make setup` installs it")
    return compile_probes(running=running)


def test_the_compiler_lays_out_what_the_decoder_expects(compiled: Compiled, running: bool) -> None:
    laid_out = {
        name: (format_of(layout, until=TEXTS).size, " ".join(member[0] for member in layout.members))
        for name, layout in compiled.layouts.items()
    }
    assert laid_out == EXPECTED | (OF_A_RUN if running else {})


def test_records_begin_alike(compiled: Compiled) -> None:
    heads = {
        tuple(layout.members[:6])
        for name, layout in compiled.layouts.items()
        if name.endswith("_record") and name != "unseen_record"
    }
    assert len(heads) == 1


def test_every_program_is_compiled_and_names_only_known_maps(compiled: Compiled, running: bool) -> None:
    assert {program.name for program in compiled.programs} == set(unit.programs(running=running))
    known = {spec.name for spec in compiled.maps}
    assert {name for program in compiled.programs for _, name in program.maps} <= known


def test_the_typed_programs_are_those_that_read_memory_without_a_helper() -> None:
    written = set(re.findall(r"^int (on_\w+)\(typed_context", unit.source(running=True), re.MULTILINE))
    assert written == set(unit.TYPED_PROGRAMS)


def test_constants_are_read_from_the_header() -> None:
    constants = unit.constants()
    assert constants["KIND_FAILURE"] != constants["KIND_TEXT"]
    slots = [number for name, number in constants.items() if name.startswith("COUNTER_")]
    assert max(slots) == constants["COUNTER_ROW"]
    assert constants["COUNTER_NOISE"] + 128 <= constants["COUNTER_ROW"]


def test_every_kernel_member_the_probes_use_is_of_a_known_structure() -> None:
    assert ("task_struct", "tgid") in unit.members()
    assert all(member for _, member in unit.members(running=True))
