"""Time as an argument: code that decides by the clock is handed one, so tests can hand it another."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """The machine's time, UTC, cut to milliseconds: what MongoDB and JSON keep."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def seconds_since(moment: datetime) -> float:
    """By the machine's time; 0 for what another clock puts into the future."""
    return max(0.0, (datetime.now(UTC) - moment).total_seconds())
