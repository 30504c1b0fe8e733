"""Bytes that no document refers to are deleted at once, and never under the feet of a document that comes to need them.

The deleter marks the row in `blobs` as deleting, then looks for references; a writer refers to the bytes, then looks
whether the row is live (`BlobRepository.is_live`). Whatever the order, one of them sees the other: the deleter spares
the bytes, or the writer stores them anew. So nobody has to wait until no writer can be left (ADR 0009).
"""

from contextlib import suppress
from datetime import timedelta

import structlog

from shared.clock import Clock
from shared.media import Original
from shared.repository.mongo import Database
from shared.repository.removals import Removal, Removals
from shared.storage.port import ObjectStore

log = structlog.get_logger(__name__)

UNFINISHED = timedelta(minutes=5)
"""After this long somebody else may finish a removal; a removal takes seconds, and renews its claim."""
_AT_ONCE = 200


class Release:
    """Safe to call for any bytes at any time, by several processes at once. May raise `StorageUnavailable`, too."""

    def __init__(self, *, database: Database, store: ObjectStore, clock: Clock) -> None:
        self._removals = Removals(database)
        self._store = store
        self._clock = clock

    async def unreferenced(self, sha256: str) -> bool:
        """Delete the original and its renditions unless a document refers to them. True: this call has deleted them."""
        now = self._clock()
        removal = await self._removals.begin(sha256, now=now, wake_at=now + UNFINISHED)
        while removal is not None:
            if removal.condemned or not await self._removals.is_referenced(sha256):
                return await self._delete(removal)
            if await self._removals.spare(removal):
                return False
            removal = await self._removals.again(removal, wake_at=self._clock() + UNFINISHED)
        return False

    async def note(self, original: Original) -> None:
        """Bytes may go, or lie there that no row knows of any more: from now on somebody sees to them."""
        await self._removals.note(original, wake_at=self._clock() + UNFINISHED)

    async def abandoned(self, original: Original) -> bool:
        """Delete what was put for a document that is gone. They may have been removed before they were put."""
        await self.note(original)
        return await self.unreferenced(original.sha256)

    async def resume(self) -> int:
        """Finish what others began, and did not finish because they were killed; how many were looked at."""
        unfinished = await self._removals.overdue(now=self._clock(), limit=_AT_ONCE)
        for sha256 in unfinished:
            deleted = await self.unreferenced(sha256)
            log.warning("removal.resumed", deleted=deleted)
        return len(unfinished)

    async def _delete(self, removal: Removal) -> bool:
        """Whoever refers to the bytes from here on sees that they are not live."""
        while True:
            current = await self._removals.condemn(removal, wake_at=self._clock() + UNFINISHED)
            if current is None:  # somebody else went on with it, after we had been silent for too long
                return False
            for key in current.keys:
                with suppress(ValueError):  # a key that was written by hand and leads nowhere
                    await self._store.delete(key)
            if await self._removals.finish(current):
                return True
