"""The collection `blobs`: what is known of bytes, by digest, so that a second document reuses it without decoding."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import Field
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.errors import StorageUnavailable
from shared.media import Facts, Rendition
from shared.model import Model, UtcTime
from shared.repository.mongo import Database, Document


class BlobState(StrEnum):
    """Whether the bytes may be referred to."""

    LIVE = "live"
    DELETING = "deleting"


class BlobRendition(Rendition):
    """A rendition and the version of the recipe that made it."""

    recipe: int


class Blob(Model):
    """One content, wherever it is used. `_id` is the SHA-256 in lowercase hex."""

    id: str = Field(alias="_id")
    key: str
    size_bytes: int
    mime_type: str
    facts: Facts = Field(default_factory=Facts)
    renditions: dict[str, BlobRendition] = Field(default_factory=dict)
    crashes: int = 0
    state: BlobState = BlobState.LIVE
    used_at: UtcTime


class BlobRepository:
    """Every method that hands out a blob first sets `usedAt`, which keeps a deleter away from it."""

    def __init__(self, database: Database) -> None:
        self._blobs = database["blobs"]

    async def use(self, sha256: str) -> Blob | None:
        """The live blob, marked as used now; None when unknown. `StorageUnavailable` while it is being deleted."""
        used = _blob(
            await self._blobs.find_one_and_update(
                {"_id": sha256, "state": BlobState.LIVE.value},
                {"$currentDate": {"usedAt": True}},
                return_document=ReturnDocument.AFTER,
            )
        )
        if used is None and await self._blobs.count_documents({"_id": sha256}, limit=1):
            raise _being_deleted()
        return used

    async def reserve(self, sha256: str, *, key: str, size_bytes: int, mime_type: str) -> Blob:
        """Say that these bytes are about to be written, or find where they are already; write to `blob.key`.

        Raises `StorageUnavailable` while the same bytes are being deleted.
        """
        new = {
            "key": key,
            "sizeBytes": size_bytes,
            "mimeType": mime_type,
            "facts": {},
            "renditions": {},
            "crashes": 0,
        }
        try:
            document = await self._blobs.find_one_and_update(
                {"_id": sha256, "state": BlobState.LIVE.value},
                {"$setOnInsert": new, "$currentDate": {"usedAt": True}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:  # the row exists and is not live, or was made in the same instant
            found = await self.use(sha256)
            if found is None:
                raise _being_deleted() from None
            return found
        return Blob.model_validate(document)

    async def rendered(self, sha256: str, *, facts: Facts, renditions: Mapping[str, BlobRendition]) -> None:
        """Keep what rendering told and made, for every document with the same bytes."""
        made = {f"renditions.{name}": rendition.to_document() for name, rendition in renditions.items()}
        await self._blobs.update_one(
            {"_id": sha256}, {"$set": {"facts": facts.to_document(), **made}, "$currentDate": {"usedAt": True}}
        )

    async def crashed(self, sha256: str) -> int:
        """Count a decoder that these bytes took down; the count so far."""
        blob = _blob(
            await self._blobs.find_one_and_update(
                {"_id": sha256}, {"$inc": {"crashes": 1}}, return_document=ReturnDocument.AFTER
            )
        )
        return 0 if blob is None else blob.crashes


def _blob(document: Document | None) -> Blob | None:
    return None if document is None else Blob.model_validate(document)


def _being_deleted() -> StorageUnavailable:
    return StorageUnavailable("the same file is being removed at this moment; it will be stored anew")
