"""A number whose downloads are slow does not hold the others: it gets most places, never all of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from shared.errors import Postponed


@dataclass
class _Number:
    places: asyncio.Semaphore
    users: int = 0
    last_change: float = 0.0


class FairShare:
    """At most `places` downloads of one number at a time.

    Who finds them taken waits while they change hands. When none has for `patience_seconds`, the number is slow, and
    `Postponed` sends the event away to come again, so that it makes room for another number's.
    """

    def __init__(
        self, *, places: int, patience_seconds: float = 5.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._places = places
        self._patience_seconds = patience_seconds
        self._monotonic = monotonic
        self._numbers: dict[str, _Number] = {}

    @asynccontextmanager
    async def of(self, phone_number_id: str) -> AsyncIterator[None]:
        """Hold one place of this number. Raises `Postponed`."""
        number = self._numbers.setdefault(phone_number_id, _Number(asyncio.Semaphore(self._places)))
        number.users += 1
        try:
            await self._place(number)
            try:
                yield
            finally:
                number.last_change = self._monotonic()
                number.places.release()
        finally:
            number.users -= 1
            if number.users == 0:
                del self._numbers[phone_number_id]

    async def _place(self, number: _Number) -> None:
        if number.places.locked():
            left = number.last_change + self._patience_seconds - self._monotonic()
            try:
                async with asyncio.timeout(max(0.0, left)):
                    await number.places.acquire()
            except TimeoutError:
                msg = "other downloads of this number are slow and hold its places"
                raise Postponed(msg) from None
        else:
            await number.places.acquire()
        number.last_change = self._monotonic()
