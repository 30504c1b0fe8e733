"""The collection `blobs`: what is known of bytes, by digest, so that a second document reuses it without decoding."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from uuid import uuid4

from pydantic import Field
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from shared.errors import StorageUnavailable
from shared.media import Facts, Rendition
from shared.model import Model, UtcTime
from shared.repository.mongo import Database, Document

MOST_CRASHES = 2
"""After this many decoders that the bytes took down no further one is started for them, until somebody asks."""


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
    facts_recipe: int = 0
    """Of what told the facts; 0 while nobody has looked into the file."""
    renditions: dict[str, BlobRendition] = Field(default_factory=dict)
    rendition_keys: list[str] = Field(default_factory=list)
    crashes: int = 0
    incarnation: str | None = None
    state: BlobState = BlobState.LIVE
    used_at: UtcTime


class BlobRepository:
    """Every method that hands out a blob marks it as used now. How bytes are removed: `shared.release`.

    Whoever has put bytes, or referred to them, looks once more afterwards whether they are live.
    """

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
        new = _new(key=key, size_bytes=size_bytes, mime_type=mime_type)
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

    async def is_live(self, sha256: str) -> bool:
        """Look once more, after referring to these bytes: False when they were removed meanwhile, or are going to be.

        Whoever refers to them then takes the reference back and stores the bytes anew.
        """
        return bool(await self._blobs.count_documents({"_id": sha256, "state": BlobState.LIVE.value}, limit=1))

    async def rendering(self, blob: Blob, *, keys: Iterable[str]) -> None:
        """Say that renditions are about to be put under these keys, so that they are never left behind.

        Raises `StorageUnavailable` when the bytes are being removed, or have been since the blob was read.
        """
        result = await self._blobs.update_one(
            _same(blob) | {"state": BlobState.LIVE.value},
            {"$addToSet": {"renditionKeys": {"$each": list(keys)}}, "$currentDate": {"usedAt": True}},
        )
        if not result.matched_count:
            raise _being_deleted()

    async def rendered(
        self,
        blob: Blob,
        *,
        facts: Facts,
        facts_recipe: int,
        renditions: Mapping[str, BlobRendition],
        dropped: Iterable[str] = (),
    ) -> bool:
        """Keep what rendering told and made, for every document with the same bytes, and the type of `blob`.

        `dropped` are the names of renditions that such files have no more; their files become orphans.

        While they are being removed it is kept all the same, and goes with them. False when they have been removed
        since the blob was read, even if they are back: what was put may be gone; hand it to `leave`.
        """
        made = {f"renditions.{name}": rendition.to_document() for name, rendition in renditions.items()}
        told = {"mimeType": blob.mime_type, "facts": facts.to_document(), "factsRecipe": facts_recipe}
        update: Document = {"$set": told | made, "$inc": {"changes": 1}, "$currentDate": {"usedAt": True}}
        if gone := {f"renditions.{name}": "" for name in dropped if name not in renditions}:
            update["$unset"] = gone
        result = await self._blobs.update_one(_same(blob), update)
        return result.matched_count == 1

    async def leave(self, blob: Blob, *, keys: Iterable[str]) -> None:
        """Files lie under these keys that nobody may want: whoever removes the bytes removes them, and looks soon."""
        new = {
            **_new(key=blob.key, size_bytes=blob.size_bytes, mime_type=blob.mime_type),
            "state": BlobState.LIVE.value,
        }
        await self._blobs.update_one(
            {"_id": blob.id},
            {
                "$addToSet": {"renditionKeys": {"$each": list(keys)}},
                "$inc": {"changes": 1},
                "$setOnInsert": new,
                "$currentDate": {"usedAt": True, "wakeAt": True},
            },
            upsert=True,
        )

    async def crashed(self, sha256: str) -> int:
        """Count a decoder that these bytes took down, or that hung on them; the count so far."""
        blob = _blob(
            await self._blobs.find_one_and_update(
                {"_id": sha256}, {"$inc": {"crashes": 1}}, return_document=ReturnDocument.AFTER
            )
        )
        return 0 if blob is None else blob.crashes

    async def forgive(self, sha256: str) -> None:
        """Somebody asks for another try: decoders are started for these bytes as if they had taken none down."""
        await self._blobs.update_one({"_id": sha256, "crashes": {"$gt": 0}}, {"$set": {"crashes": 0}})


def _new(*, key: str, size_bytes: int, mime_type: str) -> Document:
    facts: Document = {"facts": {}, "renditions": {}, "crashes": 0, "incarnation": uuid4().hex}
    return {"key": key, "sizeBytes": size_bytes, "mimeType": mime_type, **facts}


def _same(blob: Blob) -> Document:
    """Not only the same bytes: the same row, not one that was made after that had been removed."""
    return {"_id": blob.id, "incarnation": blob.incarnation}


def _blob(document: Document | None) -> Blob | None:
    return None if document is None else Blob.model_validate(document)


def _being_deleted() -> StorageUnavailable:
    return StorageUnavailable("the same file is being removed at this moment; it will be stored anew")
