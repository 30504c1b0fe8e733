"""Meta asks one number to slow down: until then nothing is asked for that number, and the others go on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import SlowedDown

_LONGEST_UNASKED_SECONDS = 120
"""The longest wait that Meta has not named itself: it may be over long before."""


@dataclass(frozen=True, kw_only=True)
class _Window:
    until: datetime
    refusals: int


class Throttle:
    """The waits of numbers, as far as this process was told of them. `delays` where Meta names no time."""

    def __init__(self, *, delays: Sequence[int], clock: Clock) -> None:
        self._delays = delays
        self._clock = clock
        self._windows: dict[str, _Window] = {}

    def demand(self, phone_number_id: str) -> None:
        """Before a call to Meta for this number: raise `SlowedDown` while it has to wait."""
        left = self._left(phone_number_id)
        if left > 0:
            msg = f"Meta asked this number to slow down; it is asked again in {left:.0f} s"
            raise SlowedDown(msg, retry_after_seconds=left)

    def slow_down(self, phone_number_id: str, *, asked_seconds: float | None) -> float:
        """Meta has just said so: the seconds to wait from now on. Longer each time, where it names no time itself."""
        now, known = self._clock(), self._windows.get(phone_number_id)
        under_way = known is not None and known.until > now
        # what is refused while others are refused is no further sign
        refusals = known.refusals if known is not None and under_way else (known.refusals + 1 if known else 1)
        usual = min(self._delays[min(refusals, len(self._delays)) - 1], _LONGEST_UNASKED_SECONDS)
        until = now + timedelta(seconds=min(asked_seconds or usual, max(self._delays)))
        if known is not None and under_way:
            until = max(known.until, until)
        self._windows[phone_number_id] = _Window(until=until, refusals=refusals)
        return (until - now).total_seconds()

    def accepted(self, phone_number_id: str) -> None:
        """Meta answered, and the wait is over."""
        if self._left(phone_number_id) <= 0:
            self._windows.pop(phone_number_id, None)

    def _left(self, phone_number_id: str) -> float:
        window = self._windows.get(phone_number_id)
        return 0.0 if window is None else (window.until - self._clock()).total_seconds()
