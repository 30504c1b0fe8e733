"""Which stored files the documents refer to."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

from pydantic import ValidationError
from pymongo import ASCENDING

from shared.media import Attachment, FailureStage, MediaStatus
from shared.repository.blobs import Blob
from shared.repository.messages import readable
from shared.repository.mongo import Database, Document

_AT_ONCE = 500  # held in memory; without it the server sends 16 MB at a time
# what an attachment in one of these states shows to people stands on the original being in the store
_WITH_ORIGINAL: Document = {
    "$or": [
        {"media.status": {"$in": [MediaStatus.STORED.value, MediaStatus.READY.value]}},
        {"media.status": MediaStatus.FAILED.value, "media.failure.stage": FailureStage.PREVIEW.value},
        {"media.status": {"$nin": [status.value for status in MediaStatus]}},  # written by hand
    ]
}
_KEY = "$media.storage.original.key"
_SHOWN: Document = {
    "$concatArrays": [
        [_KEY],
        {
            "$map": {
                "input": {"$objectToArray": {"$ifNull": ["$media.storage.renditions", {}]}},
                "in": "$$this.v.key",
            }
        },
    ]
}


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A document that somebody has broken by hand."""

    id: str
    fields: tuple[str, ...]


def promises_original(attachment: Attachment) -> bool:
    """Its state says that the original is in the store."""
    media = attachment.media
    if media.status is MediaStatus.FAILED:
        return media.failure is not None and media.failure.stage is FailureStage.PREVIEW
    return media.status in {MediaStatus.STORED, MediaStatus.READY}


class References:
    """Read-only. Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]

    async def count(self) -> int:
        """How many documents promise an original."""
        return await self._messages.count_documents(_WITH_ORIGINAL)

    async def promising(self) -> AsyncIterator[Attachment | Unreadable]:
        """Every document that promises an original, nearest deadline first."""
        found = self._messages.find(_WITH_ORIGINAL).sort("media.deadline", ASCENDING)
        async for document in found.batch_size(_AT_ONCE):
            try:
                yield Attachment.model_validate(document)
            except ValidationError as error:
                wrong = {".".join(str(part) for part in mistake["loc"]) for mistake in error.errors()}
                yield Unreadable(id=str(document["_id"]), fields=tuple(sorted(wrong)))

    async def to(self, sha256: str) -> AsyncIterator[Attachment]:
        """The documents that refer to this content."""
        async for document in self._messages.find({"media.storage.original.sha256": sha256}):
            if (attachment := readable(document)) is not None:
                yield attachment

    async def digests(self, among: Iterable[Blob]) -> set[str]:
        """The digests of those of these contents that a document refers to, by digest or by the file that it shows."""
        rows = [*among]
        by_digest = {"media.storage.original.sha256": {"$in": [row.id for row in rows]}}
        by_key = {"media.storage.original.key": {"$in": [row.key for row in rows]}}
        group: Document = {"_id": {"sha256": "$media.storage.original.sha256", "key": _KEY}}
        found = self._messages.aggregate([{"$match": {"$or": [by_digest, by_key]}}, {"$group": group}])
        shown = {value async for each in found for value in each["_id"].values()}
        return {row.id for row in rows if row.id in shown or row.key in shown}

    async def keys(self, digests: Iterable[str]) -> set[str]:
        """The key of every original with one of these digests, and of its renditions, that a document refers to."""
        return await self._keys({"media.storage.original.sha256": {"$in": [*digests]}})

    async def stray_keys(self) -> set[str]:
        """The keys that documents show beside a digest that is not in them: mangled by hand. Looks at all documents."""
        shown = {"media.storage.original.key": {"$type": "string"}}
        digest = "$media.storage.original.sha256"
        differs = {"$not": [{"$and": [{"$eq": [{"$type": digest}, "string"]}, _contains(_KEY, digest)]}]}
        return await self._keys(shown | {"$expr": differs})

    async def _keys(self, query: Document) -> set[str]:
        found = self._messages.aggregate(
            [
                {"$match": query},
                {"$project": {"key": _SHOWN}},
                {"$unwind": "$key"},
                {"$group": {"_id": "$key"}},  # one picture may be in a thousand documents
            ]
        )
        return {group["_id"] async for group in found}


def _contains(text: str, part: str) -> Document:
    return {"$gte": [{"$indexOfBytes": [text, {"$ifNull": [part, ""]}]}, 0]}
