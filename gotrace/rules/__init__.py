"""What it means: one rule per file; the folder is the registry."""
