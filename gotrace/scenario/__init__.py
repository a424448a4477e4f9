"""Scenarios: documented failures that are reproduced, diagnosed, fixed and proved; each is test and documentation."""
