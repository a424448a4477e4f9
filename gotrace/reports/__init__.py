"""How it is told: one file per format. Text that came from the tracee is escaped here, in one place."""
