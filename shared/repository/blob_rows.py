"""The rows of the collection `blobs` as those see them who look after the store. Looking does not set `usedAt`."""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime

from pymongo import ASCENDING

from shared.repository.blobs import Blob, BlobState
from shared.repository.mongo import Database

_AT_ONCE = 500  # held in memory; without it the server sends 16 MB at a time


class BlobRows:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._blobs = database["blobs"]

    async def count(self) -> int:
        """About how many there are."""
        return await self._blobs.estimated_document_count()

    async def get(self, sha256: str) -> Blob | None:
        """The row, or None."""
        return (await self.of([sha256])).get(sha256)

    async def of(self, digests: Iterable[str]) -> Mapping[str, Blob]:
        """The rows of these digests."""
        found = self._blobs.find({"_id": {"$in": [*digests]}})
        return {row["_id"]: Blob.model_validate(row) async for row in found}

    async def count_unused_since(self, moment: datetime) -> int:
        """How many live rows nobody has used since then."""
        return await self._blobs.count_documents({"usedAt": {"$lt": moment}, "state": BlobState.LIVE.value})

    async def unused_since(self, moment: datetime) -> AsyncIterator[Blob]:
        """The live rows that nobody has used since then, longest unused first."""
        query = {"usedAt": {"$lt": moment}, "state": BlobState.LIVE.value}
        async for row in self._blobs.find(query).sort("usedAt", ASCENDING).batch_size(_AT_ONCE):
            yield Blob.model_validate(row)

    async def expect(self, sha256: str) -> None:
        """These bytes are about to be stored anew: the row counts as used now, so that nobody takes it for stale."""
        query = {"_id": sha256, "state": BlobState.LIVE.value}
        await self._blobs.update_one(query, {"$currentDate": {"usedAt": True}})

    async def forget_rendition(self, sha256: str, *, name: str, key: str) -> None:
        """The file of this rendition is not there: whoever needs it makes it again."""
        entry = f"renditions.{name}"
        await self._blobs.update_one({"_id": sha256, f"{entry}.key": key}, {"$unset": {entry: ""}})
