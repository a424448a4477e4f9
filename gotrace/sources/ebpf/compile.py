"""Compiles the probes with BCC, in a process of its own: clang's 165 MB go back to the system when it ends.

BCC is the distribution's (python3-bpfcc). It is found by its place on disk, so that it can be used from a plain
virtual environment of any Python from 3.11 on: it is pure Python over ctypes.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
import tempfile
from types import ModuleType
from typing import Any, Final

import msgspec

from gotrace.errors import CaptureError
from gotrace.host.kernel import bcc_location, bcc_remedy
from gotrace.resources import probes_dir
from gotrace.sources.ebpf import unit
from gotrace.sources.ebpf.btf import Btf
from gotrace.sources.ebpf.compiled import Compiled, Layout, MapSpec, Program

_C_TYPES: Final = {
    "unsigned char": "B", "char": "c", "signed char": "b", "unsigned short": "H", "short": "h", "unsigned int": "I",
    "int": "i", "unsigned long": "Q", "long": "q", "unsigned long long": "Q", "long long": "q",
}  # fmt: skip
_PSEUDO_MAP_FD, _LD_IMM64 = 1, 0x18
_LAYOUT_ONLY: Final = "layout_"


def _import_bcc() -> ModuleType:
    folder = bcc_location()
    if folder is None:
        raise CaptureError("BCC is not installed, and no compiled probes are cached for this kernel", bcc_remedy())
    spec = importlib.util.spec_from_file_location(
        "bcc", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise CaptureError(f"{folder}: cannot be imported", bcc_remedy())
    module = importlib.util.module_from_spec(spec)
    sys.modules["bcc"] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, OSError, AttributeError) as error:
        raise CaptureError(f"{folder}: cannot be imported: {error}", bcc_remedy()) from error
    return module


def compile_probes(*, running: bool = False) -> Compiled:
    """Compile for the running kernel, in a child process; `running`: to follow a program's run.

    Raises:
        CaptureError: BCC is missing, clang refused the source, or the kernel has no BTF; the message says which.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _compile_and_send(writer, running)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    _, status = os.waitpid(child, 0)
    if not answer:
        raise CaptureError(f"compiling the probes ended early (wait status {status:#x})", "try again with more memory")
    if answer[:1] == b"E":
        message, remedy = msgspec.msgpack.decode(answer[1:], type=tuple[str, str])
        raise CaptureError(message, remedy)
    return msgspec.msgpack.decode(answer[1:], type=Compiled)


def _compile_and_send(writer: int, running: bool) -> None:
    """The child's whole life."""
    try:
        answer = b"C" + msgspec.msgpack.encode(_compile(running))
    except CaptureError as error:
        answer = b"E" + msgspec.msgpack.encode((error.message, error.remedy))
    except BaseException as error:  # the parent turns it into a CaptureError; a traceback would reach the user
        answer = b"E" + msgspec.msgpack.encode((f"compiling the probes failed: {error}", ""))
    with os.fdopen(writer, "wb") as stream:
        stream.write(answer)
    os._exit(0)


def _compile(running: bool) -> Compiled:
    os.environ["BCC_KERNEL_SOURCE"] = str(probes_dir())
    btf = Btf()
    flags = unit.flags(btf, running=running)
    bcc = _import_bcc()
    # clang writes its complaints to descriptor 2; keep them for the message.
    with tempfile.TemporaryFile() as complaints:
        os.dup2(complaints.fileno(), 2)
        try:
            module = bcc.BPF(text=unit.source(running=running), cflags=flags)
        except Exception as error:
            complaints.seek(0)
            text = complaints.read().decode("utf-8", "replace").strip()
            first = next((line for line in text.splitlines() if "error" in line), text[:200])
            raise CaptureError(f"clang refused the probes: {first or error}", "please report this") from error
    return _extract(module, sys.modules["bcc.libbcc"].lib, btf, running)


def _extract(module: Any, library: Any, btf: Btf, running: bool) -> Compiled:
    maps, names, layouts = [], {}, {}
    library.bpf_table_leaf_desc_id.restype = ctypes.c_char_p
    library.bpf_table_leaf_desc_id.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    for question in ("bpf_table_key_size_id", "bpf_table_leaf_size_id"):
        getattr(library, question).restype = ctypes.c_size_t
        getattr(library, question).argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.bpf_num_tables.restype = ctypes.c_size_t
    library.bpf_num_tables.argtypes = [ctypes.c_void_p]
    library.bpf_table_name.restype = ctypes.c_char_p
    library.bpf_table_name.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    library.bpf_table_fd_id.restype = ctypes.c_int
    library.bpf_table_fd_id.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    handle = module.module
    for index in range(library.bpf_num_tables(handle)):
        name = library.bpf_table_name(handle, index).decode()
        if name.startswith(_LAYOUT_ONLY):
            description = msgspec.json.decode(library.bpf_table_leaf_desc_id(handle, index))
            layouts[name.removeprefix(_LAYOUT_ONLY)] = _layout(description)
            continue
        names[library.bpf_table_fd_id(handle, index)] = name
        maps.append(
            MapSpec(
                name,
                library.bpf_table_type_id(handle, index),
                library.bpf_table_key_size_id(handle, index),
                library.bpf_table_leaf_size_id(handle, index),
                library.bpf_table_max_entries_id(handle, index),
                library.bpf_table_flags_id(handle, index),
            )
        )
    programs = [
        _program(name, bytes(module.dump_func(name.encode())), names, btf)
        for name in unit.programs(running=running)
        if name in unit.PROGRAMS or library.bpf_function_size(handle, name.encode())
    ]
    return Compiled(unit.key(running=running), maps, programs, layouts, unit.constants(running=running))


def _layout(description: list[Any]) -> Layout:
    """From BCC's ["name", [["member", "type"] or ["member", "type", [count]], ...], "struct"]."""
    members = []
    for member in description[1]:
        name, kind = member[0], member[1]
        count = member[2][0] if len(member) > 2 and isinstance(member[2], list) else 1
        members.append((name, _C_TYPES[kind], count))
    return Layout(members)


def _program(name: str, instructions: bytes, names: dict[int, str], btf: Btf) -> Program:
    maps = []
    for at in range(0, len(instructions), 8):
        if instructions[at] == _LD_IMM64 and instructions[at + 1] >> 4 == _PSEUDO_MAP_FD:
            descriptor = int.from_bytes(instructions[at + 4 : at + 8], "little", signed=True)
            maps.append((at, names[descriptor]))
    tracepoint = unit.TYPED_PROGRAMS.get(name)
    return Program(name, instructions, maps, btf.tracepoint(tracepoint) if tracepoint else 0)
