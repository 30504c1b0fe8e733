"""Room for the bodies of webhooks: however many senders there are and however slow, memory stays bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError
from prometheus_client import Gauge

_BODY_SECONDS = 30.0
"""A body that trickles in slower than this holds a connection for nothing."""
_AT_ONCE = 16
"""How many bodies of the largest size are held at once; of the usual size it is thousands."""

BYTES_IN_FLIGHT = Gauge("attache_webhook_bytes_in_flight", "Bytes of webhooks that are on their way or in hand now.")
BYTES_CAPACITY = Gauge("attache_webhook_bytes_capacity", "Room for them; beyond it the slowest is answered 503.")


class TooLarge(Exception):
    """The body is longer than the limit."""


class Incomplete(Exception):
    """The body did not come whole, or not in time."""


class NoRoom(Exception):
    """Others need the room, and this body has been on its way the longest; or all others are being worked on."""


@dataclass(eq=False)
class _Held:
    size_bytes: int = 0
    reading: asyncio.Timeout | None = None  # None: it has come whole
    evicted: bool = False


class Bodies:
    """Reads bodies of at most `max_body_bytes`, and holds at most sixteen times that of all of them together.

    Nobody knows who sends before the signature is checked, and that takes the whole body. So when room is short, the
    body that has been coming the longest makes room: a webhook of Meta's is there in no time, a trickle is not.
    """

    def __init__(self, *, max_body_bytes: int) -> None:
        self._max_body_bytes = max_body_bytes
        self._budget_bytes = max_body_bytes * _AT_ONCE
        self._held: dict[_Held, None] = {}  # in the order in which they began
        self._all_bytes = 0
        BYTES_CAPACITY.set(self._budget_bytes)
        BYTES_IN_FLIGHT.set_function(lambda: self._all_bytes)

    @asynccontextmanager
    async def of(self, request: web.Request) -> AsyncIterator[bytes]:
        """The raw bytes; their room is taken until the context is left. Raises `TooLarge`, `Incomplete`, `NoRoom`.

        Reading stops at the limit, with or without a Content-Length to tell beforehand.
        """
        if (request.content_length or 0) > self._max_body_bytes:
            raise TooLarge
        held = _Held()
        self._held[held] = None
        try:
            yield await self._read(request, held)
        finally:
            self._let_go(held)

    async def _read(self, request: web.Request, held: _Held) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(_BODY_SECONDS) as held.reading:
                async for chunk in request.content.iter_any():
                    if len(body) + len(chunk) > self._max_body_bytes:
                        raise TooLarge
                    self._make_room(held, len(chunk))
                    body += chunk
        except (TimeoutError, HttpProcessingError, RequestPayloadError, ConnectionError) as error:
            if held.evicted:
                raise NoRoom from None
            raise Incomplete(type(error).__name__) from error
        finally:
            held.reading = None
        return bytes(body)

    def _make_room(self, held: _Held, size_bytes: int) -> None:
        if held not in self._held:  # evicted, and about to hear of it
            raise NoRoom
        held.size_bytes += size_bytes
        self._all_bytes += size_bytes
        while self._all_bytes > self._budget_bytes:
            oldest = next(each for each in self._held if each.reading is not None)
            self._let_go(oldest)
            if oldest is held:
                raise NoRoom
            oldest.evicted = True
            if oldest.reading is not None and not oldest.reading.expired():
                oldest.reading.reschedule(asyncio.get_running_loop().time())

    def _let_go(self, held: _Held) -> None:
        if held in self._held:
            del self._held[held]
            self._all_bytes -= held.size_bytes
