"""From a place in C code to its caller: the unwind tables of an x86-64 program, and what they say."""
