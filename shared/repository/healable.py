"""What failed for want of credentials that work, nearest deadline first."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import ASCENDING, DESCENDING

from shared.errors import ErrorCode
from shared.media import Attachment, FailureStage, MediaStatus
from shared.repository.messages import readable
from shared.repository.mongo import Database, Document

HEALING = (ErrorCode.PROVIDER_AUTH, ErrorCode.PROVIDER_PERMISSION, ErrorCode.NO_INSTANCE)
"""The codes that a change of credentials heals."""


@dataclass(frozen=True, kw_only=True)
class Cure:
    """Why the failures of a number may be over: its effective instance has this version, and they had another.

    `accepted_until`: those that failed with this very version until then, too, because Meta takes it by now.
    `readable_again`: also those whose stored token could not be decrypted.
    """

    phone_number_id: str
    version: int
    accepted_until: datetime | None = None
    readable_again: bool = False


class HealableMedia:
    """Read-only. Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]

    async def numbers(self) -> Sequence[str]:
        """The numbers that have any."""
        return [str(number) for number in await self._messages.distinct("phoneNumberId", _FAILED)]

    async def cured(self, cures: Sequence[Cure], *, now: datetime) -> AsyncIterator[Attachment]:
        """Those that may be tried again, of all these numbers together, while Meta still has the media."""
        if not cures:
            return
        alive = {"$or": [{"media.deadline": {"$gt": now}}, {"media.deadline": None}]}
        query = _FAILED | {"$and": [alive, {"$or": [_fits(cure) for cure in cures]}]}
        async for attachment in self._by_deadline(query):
            yield attachment

    async def expired(self, now: datetime) -> AsyncIterator[Attachment]:
        """Those that Meta has deleted meanwhile."""
        async for attachment in self._by_deadline(_FAILED | {"media.deadline": {"$lte": now}}):
            yield attachment

    async def to_probe_with(self, phone_number_id: str, *, now: datetime, skip: int) -> Attachment | None:
        """One that Meta is most likely to have still: the newest first; after `skip` probes the next one, in turn."""
        query = _FAILED | {
            "phoneNumberId": phone_number_id,
            "media.providerMediaId": {"$ne": None},
            "media.deadline": {"$gt": now},
        }
        count = await self._messages.count_documents(query)
        if not count:
            return None
        async for attachment in self._sorted(query, DESCENDING, skip=skip % count, limit=1):
            return attachment
        return None

    async def _by_deadline(self, query: Document) -> AsyncIterator[Attachment]:
        async for attachment in self._sorted(query, ASCENDING):
            yield attachment

    async def _sorted(
        self, query: Document, direction: int, *, skip: int = 0, limit: int = 0
    ) -> AsyncIterator[Attachment]:
        found = self._messages.find(query).sort("media.deadline", direction).skip(skip).limit(limit)
        async for document in found.allow_disk_use(True):
            if (attachment := readable(document)) is not None:
                yield attachment


_FAILED: Document = {
    "media.status": MediaStatus.FAILED.value,
    "media.failure.stage": FailureStage.INGEST.value,
    "media.failure.code": {"$in": [code.value for code in HEALING]},
}


def _fits(cure: Cure) -> Document:
    ways: list[Document] = [{"media.failure.instanceVersion": {"$ne": cure.version}}]
    if cure.accepted_until is not None:
        ways.append({"media.failure.at": {"$lte": cure.accepted_until}})
    if cure.readable_again:
        ways.append({"media.failure.code": ErrorCode.NO_INSTANCE.value})
    return {"phoneNumberId": cure.phone_number_id, "$or": ways}
