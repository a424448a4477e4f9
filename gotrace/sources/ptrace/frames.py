"""Who made a failing call: its callers along the frame pointers, exactly as the kernel walks them for eBPF.

bpf_get_stack(9) goes from rbp to caller to caller, whatever it finds there (arch/x86/events/core.c,
perf_callchain_user). So does stops.c; this is its reference, which alone reads what is mapped but may not be read, as
/proc/PID/mem has it. What of all that is no return address is seen later, by `gotrace.capture.unwinding`, where the
files are open.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from gotrace.sources.ptrace import abi
from gotrace.sources.ptrace.memory import Memory

MOST_FRAMES: Final = 32
"""FAILURE_FRAMES of probes/records.h."""
_OF_64_BITS: Final = struct.Struct("<QQ")
_OF_32_BITS: Final = struct.Struct("<II")
"""What a frame pointer points to: the caller's frame pointer, and the return address."""


def frames_of(memory: Memory, values: Sequence[int]) -> bytes:
    """The instruction pointer and the return addresses, 8 bytes each; empty where there are no registers."""
    if not values:
        return b""
    found = [values[abi.RIP]]
    of_32_bits = values[abi.CS] == abi.CODE_SEGMENT_32
    pair, frame = (_OF_32_BITS, values[abi.RBP] & 0xFFFFFFFF) if of_32_bits else (_OF_64_BITS, values[abi.RBP])
    while len(found) < MOST_FRAMES:
        words = memory.read(frame, pair.size)
        if len(words) < pair.size:
            break
        frame, caller = pair.unpack(words)
        found.append(caller)
    return struct.pack(f"<{len(found)}Q", *found)
