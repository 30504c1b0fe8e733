"""Which attachments have had their time: sent and received long enough ago, and at rest. Read-only."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import ASCENDING

from shared.media import FailureStage, MediaKind, MediaStatus
from shared.repository.mongo import Database, Document

_FORGOTTEN = timedelta(days=1)
"""For so long no service has looked at what should have been looked at: no attempt of it is under way."""
_AT_ONCE = 500  # held in memory; without it the server sends 16 MB at a time
_DIGEST = "media.storage.original.sha256"


def _number(field: str) -> Document:
    """What somebody wrote by hand, a text for example, is not counted."""
    return {"$convert": {"input": field, "to": "long", "onError": 0, "onNull": 0}}


_BYTES: Document = {
    "$add": [
        _number("$media.storage.original.sizeBytes"),
        {
            "$sum": {
                "$map": {
                    "input": {"$objectToArray": {"$ifNull": ["$media.storage.renditions", {}]}},
                    "in": _number("$$this.v.sizeBytes"),
                }
            }
        },
    ]
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody wants removed at `now`: sent and received before `sent_before`. None named: all."""

    sent_before: datetime
    now: datetime
    kinds: frozenset[MediaKind] = frozenset()
    numbers: frozenset[str] = frozenset()

    @property
    def old(self) -> Document:
        """All of this age, whatever their state. `sentAt` is the sender's word: what came lately is not old."""
        query: Document = {"sentAt": {"$lt": self.sent_before}, "receivedAt": {"$lt": self.sent_before}}
        if self.kinds:
            query["kind"] = {"$in": sorted(self.kinds)}
        if self.numbers:
            query["phoneNumberId"] = {"$in": sorted(self.numbers)}
        return query

    @property
    def at_rest(self) -> Document:
        """Those of them with which nothing happens any more. What Meta still has may be retried, so it stays."""
        return {
            **self.old,
            "$or": [
                {"media.status": MediaStatus.READY.value},
                {"media.status": MediaStatus.FAILED.value, "media.failure.stage": FailureStage.PREVIEW.value},
                {
                    "media.status": {"$in": [MediaStatus.FAILED.value, MediaStatus.SKIPPED.value]},
                    "media.deadline": {"$not": {"$gt": self.now}},
                },
                {
                    "media.status": MediaStatus.PENDING.value,
                    "media.deadline": {"$lte": self.now},
                    "media.wakeAt": {"$lte": self.now - _FORGOTTEN},
                },
            ],
        }


@dataclass(frozen=True, kw_only=True, order=True)
class Group:
    """Attachments of one kind and number."""

    number: str
    kind: str


@dataclass(frozen=True, kw_only=True)
class Content:
    """One content that they have. `group` is that of one of them; `is_shared`: others have it, too."""

    sha256: str
    size_bytes: int
    group: Group
    is_shared: bool


class ExpiredMedia:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]

    async def count(self, wanted: Wanted) -> int:
        """How many would go."""
        return await self._messages.count_documents(wanted.at_rest)

    async def busy(self, wanted: Wanted) -> int:
        """How many of this age stay: under way, or Meta still has them."""
        return await self._messages.count_documents(wanted.old) - await self.count(wanted)

    async def by_group(self, wanted: Wanted) -> Mapping[Group, int]:
        """How many would go of each kind and number."""
        key: Document = {"number": "$phoneNumberId", "kind": "$kind"}
        found = self._messages.aggregate([{"$match": wanted.at_rest}, {"$group": {"_id": key, "count": {"$sum": 1}}}])
        return {_group(each["_id"]): each["count"] async for each in found}

    async def contents(self, wanted: Wanted) -> AsyncIterator[Content]:
        """The contents that they have, each once."""
        key: Document = {"number": {"$first": "$phoneNumberId"}, "kind": {"$first": "$kind"}}
        found = self._messages.aggregate(
            [
                {"$match": {"$and": [wanted.at_rest, {_DIGEST: {"$exists": True}}]}},
                {"$group": {"_id": f"${_DIGEST}", "count": {"$sum": 1}, "bytes": {"$max": _BYTES}, **key}},
            ],
            allowDiskUse=True,
            batchSize=_AT_ONCE,
        )
        batch: list[Document] = []
        async for each in found:
            batch.append(each)
            if len(batch) == _AT_ONCE:
                async for content in self._compared(batch):
                    yield content
                batch = []
        async for content in self._compared(batch):
            yield content

    async def ids(self, wanted: Wanted) -> AsyncIterator[str]:
        """What would go, oldest first."""
        found = self._messages.find(wanted.at_rest, {"_id": 1}).sort([("sentAt", ASCENDING), ("_id", ASCENDING)])
        async for document in found.allow_disk_use(True).batch_size(_AT_ONCE):
            yield document["_id"]

    async def sizes(self, wanted: Wanted, ids: Iterable[str]) -> Mapping[str, int]:
        """The contents of these attachments, with the bytes that each takes."""
        query: Document = {"$and": [{"_id": {"$in": [*ids]}}, wanted.at_rest, {_DIGEST: {"$exists": True}}]}
        found = self._messages.aggregate(
            [{"$match": query}, {"$group": {"_id": f"${_DIGEST}", "bytes": {"$max": _BYTES}}}]
        )
        return {each["_id"]: each["bytes"] async for each in found if isinstance(each["_id"], str)}

    async def _compared(self, batch: list[Document]) -> AsyncIterator[Content]:
        """With how many documents have the same content in all."""
        if not batch:
            return
        everybody = self._messages.aggregate(
            [
                {"$match": {_DIGEST: {"$in": [each["_id"] for each in batch]}}},
                {"$group": {"_id": f"${_DIGEST}", "count": {"$sum": 1}}},
            ]
        )
        used = {each["_id"]: each["count"] async for each in everybody}
        for each in batch:
            yield Content(
                sha256=each["_id"],
                size_bytes=each["bytes"],
                group=_group(each),
                is_shared=used.get(each["_id"], 0) > each["count"],
            )


def _group(found: Document) -> Group:
    return Group(number=str(found.get("number", "")), kind=str(found.get("kind", "")))
