"""What the tests of the bench need."""

from __future__ import annotations

import pytest

from gotrace.scenario import warm


@pytest.fixture(autouse=True, scope="package")
def no_children_of_other_tests() -> None:
    """The bench waits for all children that this process has, and scenarios leave one that lasts as long as it."""
    warm.end()
