"""The mark of a restore that is under way: kept in the database, so that a repeat knows what it goes on with.

There is one in a database, whatever is restored, and one process that owns it. The owner says again and again that it
lives, by the clock of the database server; who says nothing any more is gone.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

import structlog
from pymongo.errors import DuplicateKeyError

from shared.backup.errors import InUse
from shared.repository.mongo import Database, DatabaseError, Document

log = structlog.get_logger(__name__)

MARKER = "restores"
"""The collection; there only while a restore is under way."""

_ID = "restore"
_BEAT_SECONDS = 5.0
_GONE_SECONDS = 30
_IS_SILENT: Document = {"$expr": {"$lt": ["$seenAt", {"$subtract": ["$$NOW", _GONE_SECONDS * 1000]}]}}


class Phase(StrEnum):
    """How far it has come."""

    FILES = "files"  # documents are as they were
    CLEARING = "clearing"  # what was there before goes, as somebody wanted
    DOCUMENTS = "documents"  # they come from the backup


@dataclass(frozen=True, kw_only=True)
class Mark:
    """`replace`: somebody wanted what was there before to go."""

    phase: Phase
    replace: bool


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """A restore that has not ended: of which backup, and when something was last heard of it."""

    backup_id: str
    phase: Phase
    began_at: datetime
    seen_at: datetime
    is_running: bool


async def under_way(database: Database) -> UnderWay | None:
    """The restore that runs here, or was cut off; None when there is none. May raise `DatabaseError`."""
    rows = database[MARKER]
    found = await rows.find_one({"_id": _ID, "phase": {"$exists": True}})
    if found is None:
        return None
    silent = await rows.find_one({"_id": _ID, **_IS_SILENT}, {"_id": 1})
    return UnderWay(
        backup_id=str(found["backup"]),
        phase=Phase(found["phase"]),
        began_at=found["beganAt"],
        seen_at=found["seenAt"],
        is_running=silent is None and _may_live(found.get("owner")),
    )


class Marker:
    """Of the restore of one backup. Every method may raise `DatabaseError`."""

    def __init__(self, database: Database, backup_id: str) -> None:
        self._database = database
        self._rows = database[MARKER]
        self._backup = backup_id
        self._owner = {"host": socket.gethostname(), "process": os.getpid(), "name": uuid4().hex}

    async def read(self) -> Mark | None:
        """What a restore of this backup that was cut off has left."""
        found = await self._rows.find_one({"_id": _ID, "backup": self._backup})
        return None if found is None else Mark(phase=Phase(found["phase"]), replace=found["replace"])

    @asynccontextmanager
    async def owned(self) -> AsyncIterator[None]:
        """Nobody else restores into this database meanwhile. Raise `InUse` when somebody does."""
        await self._claim()
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            await self._leave()

    async def set(self, mark: Mark) -> None:
        """From here on a repeat begins there. A restore of another backup that was cut off is forgotten."""
        fields = {"phase": mark.phase.value, "replace": mark.replace, "backup": self._backup}
        await self._change({"$set": fields, "$currentDate": {"seenAt": True}})

    async def check(self) -> None:
        """Raise `InUse` when another restore has taken this one for dead."""
        await self._change({"$currentDate": {"seenAt": True}})

    async def remove(self) -> None:
        """It is done."""
        await self.check()
        await self._database.drop_collection(MARKER)

    async def _claim(self) -> None:
        values = {"owner": None, "beganAt": "$$NOW", "seenAt": "$$NOW"}
        begun: list[Document] = [{"$set": {name: {"$ifNull": [f"${name}", value]} for name, value in values.items()}}]
        with suppress(DuplicateKeyError):  # another one has begun at the same moment
            await self._rows.update_one({"_id": _ID}, begun, upsert=True)
        found = await self._rows.find_one({"_id": _ID})
        free: list[Document] = [{"owner": None}, _IS_SILENT]
        if found is not None and not _may_live(found["owner"]):
            free.append({"owner": found["owner"]})
        mine: Document = {"$set": {"owner": self._owner}, "$currentDate": {"seenAt": True}}
        if not (await self._rows.update_one({"_id": _ID, "$or": free}, mine)).matched_count:
            raise InUse(
                "another restore works on this database; nothing was changed. Wait for its end. Was it cut off, then "
                f"give the same command again in {_GONE_SECONDS} s"
            )

    async def _change(self, change: Document) -> None:
        result = await self._rows.update_one({"_id": _ID, "owner": self._owner}, change)
        if not result.matched_count:
            raise InUse("another restore has begun on this database, so this one stops; see which of them is right")

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            try:
                await self.check()
            except (InUse, DatabaseError) as error:  # told by what the restore does next
                log.warning("restore.not_heard", reason=type(error).__name__)

    async def _leave(self) -> None:
        try:
            if await self._rows.find_one({"_id": _ID, "owner": self._owner, "phase": {"$exists": False}}):
                await self._database.drop_collection(MARKER)  # nothing was changed
            await self._rows.update_one({"_id": _ID, "owner": self._owner}, {"$set": {"owner": None}})
        except DatabaseError as error:
            log.warning("restore.not_left", reason=type(error).__name__, next="another one may begin after a while")


def _may_live(owner: Any) -> bool:
    """Whether this process may be running: of another machine nobody here can tell."""
    if owner is None:
        return False
    if owner.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(owner["process"]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
