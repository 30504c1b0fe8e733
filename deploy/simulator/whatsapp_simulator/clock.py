"""The simulator's own time, which can be set forward."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate


class Clock:
    """Unix seconds by which links and media ids age; `advance` makes five minutes or seven days pass at once.

    Waiting (slow answers, pauses between deliveries) always uses real time.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._advanced_seconds = 0.0

    def now(self) -> float:
        """The present moment in Unix seconds."""
        return self._source() + self._advanced_seconds

    def http_date(self) -> str:
        """The present moment as the `Date` header writes it."""
        return formatdate(self.now(), usegmt=True)

    def advance(self, seconds: float) -> None:
        """Set the clock forward; time never runs backwards."""
        if seconds < 0:
            raise ValueError("the clock can only be set forward")
        self._advanced_seconds += seconds
