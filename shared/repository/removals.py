"""Taking bytes away: the deleter's side of the collection `blobs`, one compare-and-set after the other.

A row that is being removed is `deleting`, with the `claim` of the one who does it and `wakeAt`, when somebody else may
take over. `changes` counts what others did to the row meanwhile: whoever decides on it decides on what it has seen.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.media import Original
from shared.repository.blobs import BlobState
from shared.repository.mongo import Database, Document


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One row as its deleter has just read it."""

    sha256: str
    claim: str
    changes: int
    keys: frozenset[str]
    condemned: bool  # some of its files may be gone already: there is no way back


class Removals:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._blobs = database["blobs"]
        self._messages = database["messages"]

    async def note(self, original: Original, *, wake_at: datetime) -> None:
        """If nobody has seen to these bytes by then, somebody looks; who removes them now looks again. Mends a row."""
        new = {
            "key": original.key,
            "sizeBytes": original.size_bytes,
            "mimeType": original.mime_type,
            "state": BlobState.LIVE.value,
            "incarnation": uuid4().hex,
        }
        changed: Document = {"$max": {"wakeAt": wake_at}, "$inc": {"changes": 1}}
        try:
            await self._blobs.update_one(
                {"_id": original.sha256},
                changed | {"$setOnInsert": new, "$currentDate": {"usedAt": True}},
                upsert=True,
            )
        except DuplicateKeyError:  # made in the same instant
            await self._blobs.update_one({"_id": original.sha256}, changed)

    async def begin(self, sha256: str, *, now: datetime, wake_at: datetime) -> Removal | None:
        """Claim the row; None when there is none, or when another deleter will look again on our behalf."""
        claim = uuid4().hex
        free = {"$or": [{"state": BlobState.LIVE.value}, {"wakeAt": {"$lte": now}}]}
        mark = {"state": BlobState.DELETING.value, "claim": claim, "wakeAt": wake_at}
        while True:
            claimed: Document | None = await self._blobs.find_one_and_update(
                {"_id": sha256, **free},
                {"$set": mark, "$inc": {"changes": 1}},
                return_document=ReturnDocument.AFTER,
            )
            if claimed is not None:
                return _removal(claimed)
            told = await self._blobs.update_one(
                {"_id": sha256, "state": BlobState.DELETING.value}, {"$inc": {"changes": 1}}
            )
            if told.matched_count or not await self._blobs.count_documents({"_id": sha256}, limit=1):
                return None

    async def is_referenced(self, sha256: str) -> bool:
        """Whether a document has these bytes, by their digest or by the file that it shows."""
        row: Document | None = await self._blobs.find_one({"_id": sha256}, {"key": 1})
        by: list[Document] = [{"media.storage.original.sha256": sha256}]
        if row is not None:  # somebody may have mangled the digest by hand
            by.append({"media.storage.original.key": row["key"]})
        return bool(await self._messages.count_documents({"$or": by}, limit=1))

    async def again(self, removal: Removal, *, wake_at: datetime) -> Removal | None:
        """The row as it is now, if it is still ours."""
        return await self._ours(removal, {"wakeAt": wake_at})

    async def condemn(self, removal: Removal, *, wake_at: datetime) -> Removal | None:
        """The same, and from here on there is no way back: files are about to go."""
        return await self._ours(removal, {"wakeAt": wake_at, "condemned": True})

    async def spare(self, removal: Removal) -> bool:
        """Back to live; False when the row has changed since: look again."""
        result = await self._blobs.update_one(
            _as_read(removal),
            {"$set": {"state": BlobState.LIVE.value}, "$unset": {"claim": "", "wakeAt": ""}},
        )
        return result.matched_count == 1

    async def finish(self, removal: Removal) -> bool:
        """The bytes are gone, the row follows; False when it has changed since: look again."""
        return (await self._blobs.delete_one(_as_read(removal))).deleted_count == 1

    async def overdue(self, *, now: datetime, limit: int) -> list[str]:
        """Bytes that somebody was about to remove and did not see to."""
        found = self._blobs.find({"wakeAt": {"$lte": now}}, {"_id": 1}).limit(limit)
        return [row["_id"] async for row in found]

    async def _ours(self, removal: Removal, change: Document) -> Removal | None:
        found: Document | None = await self._blobs.find_one_and_update(
            {"_id": removal.sha256, "claim": removal.claim, "state": BlobState.DELETING.value},
            {"$set": change},
            return_document=ReturnDocument.AFTER,
        )
        return None if found is None else _removal(found)


def _removal(row: Document) -> Removal:
    renditions = [made["key"] for made in row.get("renditions", {}).values()]
    return Removal(
        sha256=row["_id"],
        claim=row["claim"],
        changes=row["changes"],
        keys=frozenset([row["key"], *renditions, *row.get("renditionKeys", ())]),
        condemned=row.get("condemned", False),
    )


def _as_read(removal: Removal) -> Document:
    return {"_id": removal.sha256, "claim": removal.claim, "changes": removal.changes}
