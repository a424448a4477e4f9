"""From C code back to the goroutine that called it, whatever the C code has done with the frame pointer.

When Go calls C, runtime.asmcgocall goes over to the stack of the operating system's thread, and leaves on top of it
how deep the goroutine's own stack was, and its g. The g begins with the bounds of that stack. So the goroutine's frames
are found without any symbol: a pair of words, of which the second points to bounds between which the first one leads.

Source: Go's runtime/asm_amd64.s (asmcgocall, which pushes rbp first since Go 1.21), runtime/runtime2.go (g, stack).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from typing import Final

_DEEPEST: Final = 1 << 30
"""Goroutines' stacks are no larger (runtime.SetMaxStack)."""
_LOWEST: Final = 1 << 16
_HIGHEST: Final = 1 << 47
_PAIR: Final = struct.Struct("<QQ")


def goroutine_callers(stack: bytes, read: Callable[[int, int], bytes], most: int = 32) -> list[int]:
    """Return addresses of the goroutine that has called C code, the innermost first; none where none has.

    `stack` is the thread's, from its stack pointer on; `read(address, size)` reads its process's memory, and gives
    fewer bytes where there is none. The first address is in runtime.cgocall.
    """
    words = struct.unpack_from(f"<{len(stack) // 8}Q", stack)
    for depth, g in pairwise(words):
        if not (0 < depth <= _DEEPEST and _LOWEST <= g < _HIGHEST and not depth % 8 and not g % 8):
            continue
        bounds = _pair(read, g)
        if bounds is not None and bounds[0] <= bounds[1] - depth < bounds[1]:
            found = _callers(bounds[1] - depth, bounds[1], read, most)
            if found:
                return found
    return []


def _callers(frame: int, end: int, read: Callable[[int, int], bytes], most: int) -> list[int]:
    """Along the frame pointers of a stack that ends at `end`; after a callback they may leave it."""
    found: list[int] = []
    pair = _pair(read, frame)
    if pair is None or not frame < pair[0] < end:
        return []
    seen: set[int] = set()
    while pair is not None and pair[1] and len(found) < most and frame not in seen:
        seen.add(frame)
        found.append(pair[1])
        frame = pair[0]
        pair = _pair(read, frame) if frame and not frame % 8 else None
    return found


def _pair(read: Callable[[int, int], bytes], address: int) -> tuple[int, int] | None:
    data = read(address, _PAIR.size)
    if len(data) < _PAIR.size:
        return None
    first, second = _PAIR.unpack(data)
    return first, second
