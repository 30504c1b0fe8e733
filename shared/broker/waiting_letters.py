"""How many dead letters wait, and since when: for queues whose letters no document can settle, so that all count."""

import asyncio
from datetime import datetime

import structlog

from shared.broker.connection import Broker
from shared.broker.letters import BeingRead, NoSuchLetters, ReadingFailed, reading_aside
from shared.broker.topology import WorkQueue
from shared.clock import seconds_since
from shared.metrics import DEAD_LETTER_OLDEST_SECONDS, DEAD_LETTERS

log = structlog.get_logger(__name__)

_SOONEST_SECONDS = 5.0


class WaitingLetters:
    """The gauges of one queue, kept by the service that works it off. The letters are looked at only after their
    number has changed, a hundred at most, and not while somebody else reads them.
    """

    def __init__(self, queue: WorkQueue, *, broker: Broker) -> None:
        self._queue = queue
        self._broker = broker
        self._count = 0
        self._oldest: datetime | None = None
        self._looked_at = 0
        self._looking = False
        self._changed = asyncio.Event()

    async def refresh(self) -> None:
        """Before the gauges are read."""
        there = await self._broker.message_count(self._queue.dead_letters)
        if not self._looking:  # what is being looked at is in nobody's queue for a moment
            self._count = there
        if self._count == 0:
            self._oldest, self._looked_at = None, 0
        elif self._count != self._looked_at and not self._looking:
            self._changed.set()
        DEAD_LETTERS.labels(self._queue.name).set(self._count)
        age = 0.0 if self._oldest is None else seconds_since(self._oldest)
        DEAD_LETTER_OLDEST_SECONDS.labels(self._queue.name).set(age)

    async def run(self) -> None:
        """Look when there is reason to. For ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            self._looking = True
            try:
                await self._look()
            except (BeingRead, NoSuchLetters, ReadingFailed) as error:
                log.debug("dead_letters.not_looked_at", queue=self._queue.name, reason=str(error))
            except Exception:  # a defect in looking must not end it
                log.exception("dead_letters.not_looked_at", queue=self._queue.name)
            finally:
                self._looking = False
            await asyncio.sleep(_SOONEST_SECONDS)

    async def _look(self) -> None:
        count = self._count
        async with reading_aside(self._broker.url, self._queue) as (reader, _):
            letters = await reader.first()
            all_seen = len(letters) >= reader.total
        seen = [letter.failed_at for letter in letters if letter.failed_at is not None]
        # of a long queue not all are seen; while it only grows, its oldest stays
        keeps = not all_seen and count > self._looked_at
        known = [self._oldest] if self._oldest is not None and keeps else []
        self._oldest, self._looked_at = min([*known, *seen], default=None), count
