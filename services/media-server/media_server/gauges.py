"""Gauges that are read from the documents when Prometheus asks."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from media_server.metrics import DOCUMENTS, MEDIA_AT_RISK, MEDIA_OVERDUE
from shared.repository.failed import FailedMedia
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.web import Refresh

log = structlog.get_logger(__name__)

AT_RISK_HOURS = (24, 72)
OVERDUE = timedelta(minutes=5)
_SHARE = 20


def at_risk(failed: FailedMedia, clock: Callable[[], datetime]) -> Refresh:
    """What Meta is about to delete."""

    async def refresh() -> None:
        for hours, number in (await failed.at_risk(clock(), AT_RISK_HOURS)).items():
            MEDIA_AT_RISK.labels(str(hours)).set(number)

    return refresh


def overdue(messages: MessageRepository, clock: Callable[[], datetime]) -> Refresh:
    """What takes too long."""

    async def refresh() -> None:
        for status, number in (await messages.count_overdue(received_before=clock() - OVERDUE)).items():
            MEDIA_OVERDUE.labels(status.value).set(number)

    return refresh


class Census:
    """All documents by their state. It takes the longer the more there are, so it gets a twentieth of the time at most,
    and whoever asks meanwhile is told the last result.
    """

    def __init__(self, messages: MessageRepository) -> None:
        self._messages = messages
        self._counting: asyncio.Task[None] | None = None
        self._not_before = 0.0

    async def refresh(self) -> None:
        """Count, or wait for who counts already."""
        if self._counting is None or self._counting.done():
            if time.monotonic() < self._not_before:
                return
            self._counting = asyncio.create_task(self._count())
        # the count goes on when the wait for it is over: the database would finish it anyway
        await asyncio.shield(self._counting)

    async def _count(self) -> None:
        started = time.monotonic()
        try:
            for status, number in (await self._messages.count_by_status()).items():
                DOCUMENTS.labels(status.value).set(number)
        except DatabaseError as error:
            log.debug("documents.not_counted", reason=type(error).__name__)
        ended = time.monotonic()
        self._not_before = ended + _SHARE * (ended - started)
