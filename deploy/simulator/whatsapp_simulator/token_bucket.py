"""How many messages a business may send in how much time."""

from __future__ import annotations

from whatsapp_simulator.clock import Clock


class TokenBuckets:
    """A bucket of `burst` per key, filled again at `per_second`; each message takes one."""

    def __init__(self, clock: Clock, *, burst: int, per_second: float) -> None:
        self._clock = clock
        self._burst, self._per_second = burst, per_second
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, key: str) -> bool:
        """Take one; False when there is none."""
        now = self._clock.now()
        left, at = self._buckets.get(key, (float(self._burst), now))
        left = min(self._burst, left + (now - at) * self._per_second)
        self._buckets[key] = (left - 1 if left >= 1 else left, now)
        return left >= 1
