"""Facts of a machine: its libc, kernel features, toolchains and capabilities."""
