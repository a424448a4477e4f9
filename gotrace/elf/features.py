"""Which feature of the processor an x86-64 instruction needs: what to say where one was illegal.

Sources: Intel's manual, volume 2, and AMD's, volumes 3 and 4 (CPUID feature flags of each instruction); the x86-64
psABI, table 3.1 (levels of the architecture), which Go's GOAMD64 follows; names are those of /proc/cpuinfo.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from gotrace.elf.instruction import decode, groups

_EVEX: Final = 0x62
_VEX: Final = (0xC4, 0xC5)

_BY_NAME: Final = tuple(
    (re.compile(pattern), feature)
    for pattern, feature in (
        (r"vpconflict|vplzcnt|vpbroadcastm", "avx512cd"),
        (r"vpopcnt[dq]$", "avx512_vpopcntdq"),
        (r"vpopcnt[bw]$|vpshufbitqmb", "avx512_bitalg"),
        (r"vpdp(bu|ws)", "avx512_vnni"),
        (r"vperm(b|i2b|t2b)$|vpmultishiftqb", "avx512vbmi"),
        (r"vpsh[lr]d|vpcompress[bw]$|vpexpand[bw]$", "avx512_vbmi2"),
        (r"vpmadd52", "avx512ifma"),
        (r"vp4dp", "avx512_4vnniw"),
        (r"gf2p8|vgf2p8", "gfni"),
        (r"popcnt", "popcnt"),
        (r"lzcnt", "abm"),
        (r"movbe", "movbe"),
        (r"rdrand", "rdrand"),
        (r"rdseed", "rdseed"),
        (r"clflushopt", "clflushopt"),
        (r"clwb", "clwb"),
        (r"cmpxchg16b", "cx16"),
        (r"xgetbv|xsave|xrstor", "xsave"),
        (r"rdpid", "rdpid"),
        (r"movdir64b", "movdir64b"),
        (r"movdiri", "movdiri"),
        (r"tpause|umonitor|umwait", "waitpkg"),
        (r"monitorx|mwaitx", "mwaitx"),
    )
)
"""What the disassembler does not tell of groups, or tells less closely."""
_VEX_BY_NAME: Final = tuple(
    (re.compile(pattern), feature)
    for pattern, feature in (
        (r"vfn?m(add|sub)", "fma"),
        (r"vcvtph2ps|vcvtps2ph", "f16c"),
        (r"vaes", "vaes"),
        (r"vpclmul", "vpclmulqdq"),
    )
)
_BY_GROUP: Final = {
    "bwi": "avx512bw",
    "dqi": "avx512dq",
    "cdi": "avx512cd",
    "eri": "avx512er",
    "pfi": "avx512pf",
    "avx512": "avx512f",
    "vlx": "avx512vl",
    "avx2": "avx2",
    "fma": "fma",
    "fma4": "fma4",
    "fc16": "f16c",
    "xop": "xop",
    "tbm": "tbm",
    "avx": "avx",
    "bmi2": "bmi2",
    "bmi": "bmi1",
    "adx": "adx",
    "sha": "sha_ni",
    "rtm": "rtm",
    "fsgsbase": "fsgsbase",
    "aes": "aes",
    "pclmul": "pclmulqdq",
    "sse42": "sse4_2",
    "sse41": "sse4_1",
    "sse4a": "sse4a",
    "ssse3": "ssse3",
    "sse3": "pni",
    "3dnow": "3dnow",
}
"""The disassembler's groups, the most particular first."""
_LEVELS: Final = {
    2: "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    3: "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
    4: "avx512f avx512bw avx512cd avx512dq avx512vl",
}
LEVELS: Final = {feature: level for level, names in _LEVELS.items() for feature in names.split()}
"""The level of the architecture (x86-64-v2, GOAMD64=v2) from which on each of these features may be used."""


class Needed(NamedTuple):
    """An instruction in Intel's notation ("" where it is none that the disassembler knows), and what it needs."""

    text: str
    feature: str
    """As in the flags of /proc/cpuinfo; "" for what every x86-64 processor has, or where nothing is known."""

    @property
    def level(self) -> int:
        """The level of x86-64 that the feature is part of: 2, 3, 4; 1 for none, 0 where it is part of no level."""
        return LEVELS.get(self.feature, 0) if self.feature else 1


def needed(code: bytes, address: int = 0) -> Needed | None:
    """What the instruction at the start of `code` needs; None where there is none, or nothing can be said of it."""
    found = decode(code, address)
    prefix = code[0] if code else 0
    if found is None:
        feature = "avx512f" if prefix == _EVEX else "avx" if prefix in _VEX else ""
        return Needed("", feature) if feature else None
    text = f"{found.name} {found.operands}".strip()
    return Needed(text, _feature(found.name, found.operands, prefix, groups(code, address)))


def _feature(name: str, operands: str, prefix: int, told: frozenset[str]) -> str:
    for pattern, feature in _BY_NAME:
        if pattern.match(name):
            return feature
    wide = "ymm" in operands or "zmm" in operands
    for pattern, feature in _VEX_BY_NAME if prefix in _VEX else ():
        # On the smallest registers they need the older feature, and AVX for their form.
        if pattern.match(name):
            return feature if wide or feature in ("fma", "f16c") else "avx"
    if prefix == _EVEX:
        of_evex = (feature for group, feature in _BY_GROUP.items() if group in told and feature.startswith("avx512"))
        return next(of_evex, "avx512f" if "zmm" in operands else "avx512vl")
    return next((feature for group, feature in _BY_GROUP.items() if group in told), "")
