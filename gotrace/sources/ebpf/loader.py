"""Loads compiled probes into the kernel and attaches them. Needs CAP_BPF and CAP_PERFMON; imports no BCC."""

from __future__ import annotations

import os
import struct
from types import TracebackType
from typing import Self

from gotrace.errors import CaptureError, NotPermittedError
from gotrace.events.errno import NUMBERS
from gotrace.sources import syscalls
from gotrace.sources.ebpf import bpf, unit
from gotrace.sources.ebpf.compiled import Compiled
from gotrace.sources.ebpf.records import format_of

_I386_OFFSET = 512  # records.h, map `syscalls`


class LoadedProbes:
    """Maps, programs and attachments in the kernel; closing it takes everything away.

    Raises:
        NotPermittedError: the kernel refuses bpf(2) to us.
        CaptureError: the verifier refuses a program, or a tracepoint is missing; names which.
    """

    def __init__(self, compiled: Compiled, cookie: int) -> None:
        self._compiled = compiled
        self.maps: dict[str, int] = {}
        self._programs: dict[str, int] = {}
        self._links: list[int] = []
        try:
            for spec in compiled.maps:
                self.maps[spec.name] = bpf.create_map(spec)
            self._fill_syscalls()
            config = format_of(compiled.layouts["config"]).pack(cookie, 0, 0)
            bpf.update_element(self.maps["config"], struct.pack("<I", 0), config)
            for program in compiled.programs:
                code = bytearray(program.instructions)
                for at, name in program.maps:
                    code[at + 4 : at + 8] = struct.pack("<i", self.maps[name])
                self._programs[program.name] = bpf.load_program(program.name, bytes(code), unit.LICENSE)
            for name, tracepoint in unit.PROGRAMS.items():
                self._links.append(bpf.attach_raw_tracepoint(tracepoint, self._programs[name]))
        except bpf.BpfError as error:
            self.close()
            raise _explained(error) from error

    def _fill_syscalls(self) -> None:
        layout = format_of(self._compiled.layouts["syscall_info"])
        slot = 0
        for call in syscalls.table():
            index = call.number + (_I386_OFFSET if call.abi == "i386" else 0)
            if call.number >= _I386_OFFSET or not (call.paths or call.noise):
                continue
            paths, errors = (*call.paths, 0, 0)[:2], [NUMBERS[name] for name in call.noise]
            value = layout.pack(*paths, slot, *(*errors, 0, 0, 0, 0)[:4])
            bpf.update_element(self.maps["syscalls"], struct.pack("<I", index), value)
            slot += len(errors)

    def missed_runs(self) -> dict[str, int]:
        """How often the kernel skipped each program."""
        return {name: bpf.missed_runs(descriptor) for name, descriptor in self._programs.items()}

    def verified_instructions(self) -> dict[str, int]:
        """What the verifier went through for each program; a warm start waits for it, half a microsecond each."""
        return {name: bpf.verified_instructions(descriptor) for name, descriptor in self._programs.items()}

    def detach(self) -> None:
        """Take the programs off their tracepoints; maps stay readable."""
        while self._links:
            os.close(self._links.pop())

    def close(self) -> None:
        """Detach, and give back programs and maps."""
        self.detach()
        for descriptor in (*self._programs.values(), *self.maps.values()):
            os.close(descriptor)
        self._programs.clear()
        self.maps.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _explained(error: bpf.BpfError) -> CaptureError:
    text = str(error.strerror)
    if error.errno == NUMBERS["EPERM"] and not error.log:
        return NotPermittedError(
            f"the kernel refuses eBPF to this process ({text})",
            "run as root of the machine (in a container: with CAP_BPF and CAP_PERFMON, and bpf allowed by its seccomp"
            " profile), or use: gotrace build --sudo -- ...",
        )
    reason = error.log.splitlines()[-2:] if error.log else []
    return CaptureError(": ".join([text, *reason]), "run `gotrace doctor`; please report it with its output")
