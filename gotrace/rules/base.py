"""What a rule is: a class in a file named after the problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from gotrace.events.facets import Facet
from gotrace.rules.finding import Finding, Severity
from gotrace.trace.model import Trace


class UndecidedError(Exception):
    """Raised by a rule that cannot be decided on a trace though its facets were observed; the text is the reason."""


class Rule(ABC):
    """One problem that gotrace can name.

    The docstring of each rule has four headings (What it detects, Why it happens, How to fix it, References); it is
    the text of `gotrace explain` and of the documentation.
    """

    code: ClassVar[str]
    """GTnnn; never reused."""
    name: ClassVar[str]
    """kebab-case, says the problem; the file has the same name with underscores."""
    severity: ClassVar[Severity]
    needs: ClassVar[frozenset[Facet]]
    """Without these facets in the capture the rule is not evaluated."""
    infers_from_absence: ClassVar[frozenset[str]] = frozenset()
    """Event kinds from whose absence it concludes: with lost events of such a kind it is not evaluated."""
    consequence_of: ClassVar[tuple[str, ...]] = ()
    """Names of rules whose finding, where both explain the same thing, is the cause of this one."""

    @abstractmethod
    def check(self, trace: Trace) -> Iterator[Finding]:
        """Yield what is wrong in this trace; nothing where all is well.

        Raises:
            UndecidedError: what the rule needs is missing from this trace. What it yielded before still counts.
        """
