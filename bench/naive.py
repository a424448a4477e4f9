"""BPF that stands beside gotrace in the benchmark of an attached server, at the exit of every system call.

"hash" is the obvious program for "which calls of this process fail": each failure, EAGAIN too, counted in a hash, as a
one-liner of bpftrace does. "empty" does nothing: it is what the kernel takes for having calls watched at all (each goes
its slow way once a tracepoint is on, whosever it is), so nothing that watches them costs less.

Run by the distribution's Python, which has BCC: `python3 bench/naive.py hash PID` says on stderr when it is attached,
and counts until ^C.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

_ORIG_AX = 120
"""Where the number of a system call lies in the registers (struct pt_regs of x86-64)."""
_EMPTY = "BPF_HASH(failures, u64); RAW_TRACEPOINT_PROBE(sys_exit) { return 0; }"
_HASH = """\
struct key { u32 tid; s64 error; u64 call; };
BPF_HASH(failures, struct key, u64, 65536);

RAW_TRACEPOINT_PROBE(sys_exit)
{
    s64 result = ctx->args[1];
    u64 id = bpf_get_current_pid_tgid();

    if (id >> 32 != WATCHED || result >= 0 || result < -4095)
        return 0;
    struct key key = {.tid = id, .error = result};
    bpf_probe_read_kernel(&key.call, sizeof key.call, (void *)ctx->args[0] + ORIG_AX);
    failures.increment(key);
    return 0;
}
"""


def main(which: str, pid: int) -> None:
    """Stay attached until ^C."""
    # BCC wants the kernel's headers; the few types of ours that stand in for them do as well.
    os.environ["BCC_KERNEL_SOURCE"] = str(Path(__file__).resolve().parents[1] / "probes")
    from bcc import BPF  # the distribution's

    signal.signal(signal.SIGINT, lambda *_: sys.exit())
    text = {"hash": _HASH, "empty": _EMPTY}[which]
    program = BPF(text=text, cflags=[f"-DWATCHED={pid}", f"-DORIG_AX={_ORIG_AX}"])
    print(f"attached to process {pid}", file=sys.stderr, flush=True)
    try:
        signal.pause()
    finally:
        print(f"{sum(count.value for count in program['failures'].values())} failures", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
