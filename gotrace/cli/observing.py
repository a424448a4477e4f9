"""What observers of a capture have in common: whoever leaves one as a context manager ends it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Observing(ABC):
    """Draws or says something while a command runs, and nothing of it is left afterwards."""

    @abstractmethod
    def ended(self) -> None:
        """It is over: nothing more is drawn. May come more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended()
