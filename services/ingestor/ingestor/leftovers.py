"""Files whose removal was begun and not finished, by whomever and however it ended: they are removed after all."""

import asyncio

import structlog

from shared.errors import StorageFull, StorageUnavailable
from shared.release import Release
from shared.repository.mongo import DatabaseError

log = structlog.get_logger(__name__)


class Leftovers:
    """Looks every `seconds`. Several ingestors may: each removal is claimed."""

    def __init__(self, release: Release, *, seconds: int) -> None:
        self._release = release
        self._seconds = seconds

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self._release.resume()
            except (DatabaseError, StorageFull, StorageUnavailable) as error:
                log.warning("removal.postponed", reason=type(error).__name__)
            except Exception:  # a defect here must not end the loop
                log.exception("removal.failed")
            await asyncio.sleep(self._seconds)
