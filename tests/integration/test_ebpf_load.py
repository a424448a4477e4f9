"""How the probes are loaded: each start waits for the kernel's verifier, so what it has to go through is bounded."""

from __future__ import annotations

import pytest

from gotrace.sources.ebpf import cache, unit
from gotrace.sources.ebpf.btf import Btf
from gotrace.sources.ebpf.compile import compile_probes
from gotrace.sources.ebpf.loader import LoadedProbes

pytestmark = pytest.mark.root("loads programs from this very process")
MOST_VERIFIED = 100_000
"""It was 55,000, 0.07 seconds, when this was written. One branch in the wrong loop makes it ten times as many."""


MOST_VERIFIED_FOR_A_RUN = 200_000
"""It was 183,000, 0.2 seconds, when this was written."""


@pytest.mark.parametrize("running", [False, True], ids=["build", "run"])
def test_the_verifier_has_little_to_go_through(running: bool) -> None:
    compiled = cache.load(unit.key(running=running)) or compile_probes(running=running)
    with LoadedProbes(compiled, cookie=1) as probes:
        verified = probes.verified_instructions()

    assert sum(verified.values()) < (MOST_VERIFIED_FOR_A_RUN if running else MOST_VERIFIED), verified
    assert probes.missing == {}
    assert set(verified) == {program.name for program in compiled.programs} - {unit.DL_PROGRAM}


@pytest.mark.parametrize("running", [False, True], ids=["build", "run"])
def test_what_is_for_kernels_before_linux_5_11_loads_as_well(running: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Btf, "mentions", lambda *_: False)
    with LoadedProbes(compile_probes(running=running), cookie=1) as probes:
        assert probes.missing == {}
