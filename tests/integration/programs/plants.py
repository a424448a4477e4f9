"""Traces a process and plants breakpoints in its loader: plants.py PID guarded|alone. Then waits to be killed."""

import os
import sys
import time

from gotrace.sources.ptrace import loaders
from gotrace.sources.ptrace.breakpoints import Space, slot_of
from gotrace.sources.ptrace.guardian import Guardian
from gotrace.sources.ptrace.mappings import mappings_of
from gotrace.sources.ptrace.memory import Memory
from gotrace.sources.ptrace.requests import seize_without_ending_it

pid, how = int(sys.argv[1]), sys.argv[2]
assert seize_without_ending_it(pid) == 0
memory, mappings = Memory(pid), mappings_of(pid)
assert mappings is not None
space = Space(mappings, slot_of(mappings, memory), Guardian(pid).note if how == "guarded" else None)
for mapping in filter(loaders.may_have_loaders, mappings.all):
    for place in loaders.places_in(pid, mapping) or ():
        assert space.plant(memory, mapping.base + place.offset - mapping.offset, place.purpose, place.pushed)
print(*space.sites, flush=True)
while os.getppid() != 1:
    time.sleep(0.1)
