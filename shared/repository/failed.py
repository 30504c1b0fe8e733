"""What failed or was skipped and may be tried again, nearest deadline first; and how much is close to its deadline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import ASCENDING

from shared.errors import ErrorCode
from shared.media import FailureStage, MediaStatus
from shared.repository.mongo import GAUGE_MS, Database, Document

HOPELESS = (ErrorCode.PROVIDER_REJECTED, ErrorCode.MEDIA_EXPIRED)
"""Codes after which Meta does not give the file any more, however much time is left."""


@dataclass(frozen=True, kw_only=True)
class FailedFilter:
    """Each that is given applies. `code` `media_too_large` means what was skipped for its size."""

    code: ErrorCode | None = None
    phone_number_id: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Our ids of what can be tried again, and how many are past the deadline at which Meta deletes them."""

    ids: Sequence[str]
    expired: int


class FailedMedia:
    """Read-only. Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]

    async def ids_of(self, name: str) -> Sequence[str]:
        """Our ids of the attachments with this id or this wamid, which may own several."""
        found = self._messages.find({"$or": [{"_id": name}, {"messageId": name}]}, {"_id": 1}).sort("_id", ASCENDING)
        return [document["_id"] async for document in found]

    async def candidates(self, wanted: FailedFilter, *, now: datetime) -> Candidates:
        """What failed and fits, as it is at this moment: what fails later is not among them."""
        fields = {"media.deadline": 1, "media.failure.stage": 1}
        found = self._messages.find(_query(wanted), fields).sort("media.deadline", ASCENDING)
        ids, expired = [], 0
        async for document in found:
            if _is_expired(document, now):
                expired += 1
            else:
                ids.append(document["_id"])
        return Candidates(ids=ids, expired=expired)

    async def at_risk(self, now: datetime, hours: Sequence[int]) -> Mapping[int, int]:
        """For each of `hours`: how many are not stored yet, could still be, and have less time left than that."""
        return {each: await self._less_left(now, timedelta(hours=each)) for each in hours}

    async def _less_left(self, now: datetime, time: timedelta) -> int:
        soon = {"media.deadline": {"$gt": now, "$lte": now + time}}
        at_ingest = {
            "media.status": MediaStatus.FAILED.value,
            "media.failure.stage": {"$ne": FailureStage.PREVIEW.value},
            "media.failure.code": {"$nin": [code.value for code in HOPELESS]},
        }
        return await self._messages.count_documents(
            {"$or": [soon | {"media.status": MediaStatus.PENDING.value}, soon | at_ingest]}, maxTimeMS=GAUGE_MS
        )


def _query(wanted: FailedFilter) -> Document:
    skipped = wanted.code is ErrorCode.MEDIA_TOO_LARGE
    query: Document = {"media.status": (MediaStatus.SKIPPED if skipped else MediaStatus.FAILED).value}
    if wanted.code is not None and not skipped:
        query["media.failure.code"] = wanted.code.value
    if wanted.phone_number_id is not None:
        query["phoneNumberId"] = wanted.phone_number_id
    if wanted.since is not None:
        query["media.failure.at"] = {"$gte": wanted.since}
    return query


def _is_expired(document: Document, now: datetime) -> bool:
    """A preview needs nothing of Meta."""
    media = document["media"]
    at_preview = (media.get("failure") or {}).get("stage") == FailureStage.PREVIEW.value
    deadline = media.get("deadline")
    return not at_preview and isinstance(deadline, datetime) and deadline <= now
