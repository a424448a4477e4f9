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
from gotrace.sources.ebpf.compiled import Compiled, format_of

_I386_OFFSET = 512  # records.h, map `syscalls`
_AN_ADDRESS = 128  # records.h, struct syscall_info


class LoadedProbes:
    """Maps, programs and attachments in the kernel; closing it takes everything away.

    Raises:
        NotPermittedError: the kernel refuses bpf(2) to us.
        CaptureError: the verifier refuses a program, or a tracepoint is missing; names which.
    """

    def __init__(self, compiled: Compiled, cookie: int, reader: int = 0) -> None:
        """`reader`: the user who reads what the probes tell (records.h)."""
        self._compiled = compiled
        self._cookie, self._reader = cookie, reader
        self.missing: dict[str, str] = {}
        """Programs that only a run is followed with, and that are not attached: why."""
        self.maps: dict[str, int] = {}
        self._programs: dict[str, int] = {}
        self._links: list[int] = []
        try:
            for spec in compiled.maps:
                self.maps[spec.name] = bpf.create_map(spec)
            self._fill_syscalls()
            self.configure(stops=False)
            for name in unit.PROGRAMS:
                self._programs[name] = self.load(name)
            for name, tracepoint in unit.PROGRAMS.items():
                self._attach(name, tracepoint)
            if "unseen" in self.maps:
                self._attach_to_run()
        except bpf.BpfError as error:
            self.close()
            raise _explained(error) from error

    def configure(self, *, stops: bool) -> None:
        """Set what the probes go by, before anything is followed; `stops`: programs may be stopped (mappings.c).

        Raises:
            BpfError: the kernel refuses it.
        """
        config = format_of(self._compiled.layouts["config"]).pack(self._cookie, 0, int(stops), self._reader, 0)
        bpf.update_element(self.maps["config"], struct.pack("<I", 0), config)

    def load(self, name: str, *, uprobe: int | None = None) -> int:
        """Load one program; `uprobe` as in `bpf.load_program`. The descriptor is the caller's.

        Raises:
            BpfError: the verifier refuses it, or this kernel's layout left it out (ENOENT).
        """
        program = next((one for one in self._compiled.programs if one.name == name), None)
        if program is None:
            raise bpf.BpfError(NUMBERS["ENOENT"], f"program {name}")
        code = bytearray(program.instructions)
        for at, of_map in program.maps:
            code[at + 4 : at + 8] = struct.pack("<i", self.maps[of_map])
        return bpf.load_program(name, bytes(code), unit.LICENSE, uprobe=uprobe, tracepoint=program.tracepoint)

    def _attach(self, name: str, tracepoint: str) -> None:
        typed = name in unit.TYPED_PROGRAMS
        self._links.append(bpf.attach_raw_tracepoint(tracepoint, self._programs[name], typed=typed))

    def _attach_to_run(self) -> None:
        """What a run is followed with beside the rest; without one of them there is less to see."""
        for name, (array, place) in unit.TAIL_PROGRAMS.items():
            try:
                tail = self._programs[name] = self.load(name)
                key = struct.pack("<I", self._compiled.constants[place])
                bpf.update_element(self.maps[array], key, struct.pack("<I", tail))
            except bpf.BpfError as error:
                self.missing[name] = _in_words(error)
        for name, tracepoint in unit.RUN_PROGRAMS.items():
            try:
                self._programs[name] = self.load(name)
                self._attach(name, tracepoint)
            except bpf.BpfError as error:
                self.missing[name] = _in_words(error)

    def _fill_syscalls(self) -> None:
        layout = format_of(self._compiled.layouts["syscall_info"])
        slot = 0
        for call in syscalls.table():
            index = call.number + (_I386_OFFSET if call.abi == "i386" else 0)
            if call.number >= _I386_OFFSET or not (call.paths or call.noise or call.address):
                continue
            paths = (call.address | _AN_ADDRESS, 0) if call.address else (*call.paths, 0, 0)[:2]
            errors = [NUMBERS[name] for name in call.noise]
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
    return CaptureError(_in_words(error), "run `gotrace doctor`; please report it with its output")


def _in_words(error: bpf.BpfError) -> str:
    reason = error.log.splitlines()[-2:] if error.log else []
    return ": ".join([str(error.strerror), *reason])
