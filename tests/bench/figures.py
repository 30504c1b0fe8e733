"""What was measured: figures with all their rounds, never only the best one."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

ATTACHE = "Attache"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One quantity of one subject. Figures of one row and name are compared; `limit` is what it must stay below."""

    row: str
    name: str
    unit: str
    rounds: tuple[float, ...]
    subject: str = ATTACHE
    limit: float | None = None
    note: str | None = None

    @property
    def median(self) -> float:
        """Of the rounds."""
        return statistics.median(self.rounds)

    @property
    def is_within(self) -> bool | None:
        """Whether every round stayed below the limit; None without one."""
        return None if self.limit is None else max(self.rounds) < self.limit


def ratio(figure: Figure, figures: Sequence[Figure]) -> float | None:
    """Attache's median of the same quantity divided by this one's; None for Attache itself."""
    if figure.subject == ATTACHE or not figure.median:
        return None
    ours = next(
        (one for one in figures if (one.row, one.name, one.subject) == (figure.row, figure.name, ATTACHE)), None
    )
    return None if ours is None else ours.median / figure.median


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(len(ordered) * percent / 100)) - 1]
