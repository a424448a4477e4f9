"""Runs a capture: starts the command at a gate, spools what a source reads, decodes, masks, and adds facts."""
