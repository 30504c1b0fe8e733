"""A limit on Graph requests, counted: what a business that asks too often meets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiohttp import web

from whatsapp_simulator.clock import Clock
from whatsapp_simulator.graph_errors import app_usage, business_usage, graph_error

_APP_LIMIT = 4


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """So many Graph requests in each window. Code 4 is the app's limit, 80007 the account's, 130429 the throughput."""

    requests: int
    per_seconds: float = 3600.0
    code: int = _APP_LIMIT
    status: int = 429

    def __post_init__(self) -> None:
        if self.requests < 0 or self.per_seconds <= 0:
            raise ValueError("a limit needs a number of requests and a time above 0")
        if not 400 <= self.status <= 599:
            raise ValueError(f"{self.status} is not a status from 400 to 599")


class RateLimiter:
    """Counts requests in windows of the simulator's clock; without a limit it lets everything pass and says nothing."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limit: RateLimit | None = None
        self._window_began_at, self._count = 0.0, 0

    def set(self, limit: RateLimit | None) -> None:
        """Begin to count anew against this limit, or stop."""
        self._limit, self._count, self._window_began_at = limit, 0, self._clock.now()

    def refusal(self) -> web.Response | None:
        """Count one request: the answer if it is one too many."""
        limit = self._limit
        if limit is None:
            return None
        if self._clock.now() >= self._window_began_at + limit.per_seconds:
            self._window_began_at, self._count = self._clock.now(), 0
        self._count += 1
        if self._count <= limit.requests:
            return None
        response = graph_error(limit.code, status=limit.status)
        response.headers["Retry-After"] = str(math.ceil(self._seconds_left(limit)))
        return response

    def headers(self) -> dict[str, str]:
        """What each answer says of the limit: the app's quota, or the business's with the minutes until it is back."""
        limit = self._limit
        if limit is None:
            return {}
        percent = 100 * self._count // max(limit.requests, 1)
        if limit.code == _APP_LIMIT:
            return app_usage(percent)
        minutes = math.ceil(self._seconds_left(limit) / 60) if self._count > limit.requests else 0
        return business_usage(percent, regain_access_minutes=minutes)

    def _seconds_left(self, limit: RateLimit) -> float:
        return max(0.0, self._window_began_at + limit.per_seconds - self._clock.now())
