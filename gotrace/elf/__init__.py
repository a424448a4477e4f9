"""Facts of a binary, read from the file alone."""
