"""A floor under the free space: below it no new bytes are taken, and what waits goes on waiting where it is safe."""

import asyncio
from contextlib import suppress
from typing import Protocol

import structlog

from shared.errors import Postponed, StorageFull, StorageUnavailable
from shared.storage.port import ObjectStore

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_NEXT = "free space where STORAGE_URL is, or give it a larger disk; downloads go on by themselves"


class Pausable(Protocol):
    """What takes work, and can be told not to for a while."""

    async def pause(self) -> None:
        """Take no more; finish what is in hand."""

    async def resume(self) -> None:
        """Take again."""


class Room:
    """Watches the free space of the store against `floor_bytes`."""

    def __init__(self, store: ObjectStore, *, floor_bytes: int, look_seconds: float = _LOOK_SECONDS) -> None:
        self._store = store
        self._floor_bytes = floor_bytes
        self._look_seconds = look_seconds
        self._is_short: bool | None = None

    async def demand(self) -> None:
        """For whoever is about to write a file: raise `Postponed` when there is no room. Nothing is burned by it."""
        if await self._missing() is not None:
            msg = "less space is free than STORAGE_MIN_FREE_BYTES"
            raise Postponed(msg)

    async def check(self) -> None:
        """Readiness: raise with a text for people when there is no room, or nothing can be written."""
        free = await self._missing()
        if free is not None:
            raise StorageFull(self._told(free))
        await self._store.check()

    async def keep(self, consumer: Pausable) -> None:
        """Until cancelled, pause `consumer` whenever there is no room, and until the first look has found some."""
        await consumer.pause()
        while True:
            with suppress(StorageUnavailable):  # it has its own readiness check, and tells nothing about room
                await self._look(consumer)
            await asyncio.sleep(self._look_seconds)

    async def _look(self, consumer: Pausable) -> None:
        free = await self._missing()
        before, self._is_short = self._is_short, free is not None
        if self._is_short is before:
            return
        if self._is_short:
            log.warning("storage.floor_reached", freeBytes=free, floorBytes=self._floor_bytes, next=_NEXT)
            await consumer.pause()
        else:
            if before:
                log.info("storage.room_again", floorBytes=self._floor_bytes)
            await consumer.resume()

    async def _missing(self) -> int | None:
        """How much is free, when that is less than the floor."""
        free = await self._store.free_bytes()
        return free if free < self._floor_bytes else None

    def _told(self, free: int) -> str:
        return (
            f"{free} bytes are free, less than the floor of {self._floor_bytes} (STORAGE_MIN_FREE_BYTES): "
            f"no attachment is downloaded; {_NEXT}"
        )
