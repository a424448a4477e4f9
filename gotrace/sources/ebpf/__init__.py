"""The eBPF source: BPF programs through BCC (compiled once, then cached), read by an unprivileged process."""
