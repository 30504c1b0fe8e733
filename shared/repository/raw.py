"""Whole collections as they are, byte for byte: for backup and restore, which must not lose what they do not know."""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING
from pymongo.errors import BulkWriteError, OperationFailure

from shared.repository.mongo import Database, Document

log = structlog.get_logger(__name__)

_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)
_DUPLICATE = 11000
_DEFINED_OTHERWISE = frozenset({85, 86})  # a service of this version has made it already, and knows better
_OF_THE_SERVER = frozenset({"ns", "v"})  # of an index: where it is, and in which version of the format
_UNAUTHORIZED = 13


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A document that another one keeps out, by a unique index other than that of `_id`."""

    raw: bytes
    keys: Sequence[str]


class RawCollections:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self) -> Sequence[str]:
        """All collections; not the server's own, and no views."""
        found = await self._database.list_collection_names(filter={"type": "collection"})
        return sorted(name for name in found if not name.startswith("system."))

    async def indexes(self, name: str) -> Sequence[dict[str, Any]]:
        """As the server lists them."""
        return [{key: index[key] for key in index} async for index in self._database[name].list_indexes()]

    async def options(self, name: str) -> Document:
        """With which it was made: a validator, a collation."""
        found = await self._database.command({"listCollections": 1, "filter": {"name": name}})
        return {key: value for each in found["cursor"]["firstBatch"] for key, value in each.get("options", {}).items()}

    async def size_bytes(self) -> int:
        """About how much room all documents take, uncompressed."""
        return int((await self._database.command("dbStats"))["dataSize"])

    async def count(self, name: str) -> int:
        """About how many there are."""
        return await self._database[name].estimated_document_count()

    async def batches(self, name: str, *, size: int) -> AsyncIterator[list[bytes]]:
        """Every document that is there throughout, each once, in the order of `_id`."""
        found = self._raw(name).find().sort("_id", ASCENDING).hint([("_id", ASCENDING)]).batch_size(size)
        batch: list[bytes] = []
        async for document in found:
            batch.append(document.raw)
            if len(batch) == size:
                yield batch
                batch = []
        if batch:
            yield batch

    async def again(self, name: str, ids: Iterable[Any]) -> dict[Any, bytes]:
        """Those of these documents that are there now."""
        return {each["_id"]: each.raw async for each in self._raw(name).find({"_id": {"$in": [*ids]}})}

    async def is_empty(self, name: str) -> bool:
        """Whether there is no document in it."""
        return not await self._database[name].count_documents({}, limit=1)

    async def drop(self, name: str) -> None:
        """With its indexes."""
        await self._database.drop_collection(name)

    async def make(self, name: str, options: Document) -> None:
        """The collection, if it is not there yet; a server that does not know the options gets one without them."""
        if name in await self._database.list_collection_names(filter={"name": name}):
            return
        try:
            await self._database.command({"create": name, **options})
        except OperationFailure as error:
            if error.code == _UNAUTHORIZED or not options:
                raise
            log.warning("restore.collection_without_options", collection=name, code=error.code)
            await self._database.create_collection(name)

    async def make_indexes(self, name: str, indexes: Iterable[Document]) -> int:
        """Each that is not there yet. How many cannot be had on this server: all can be read without them."""
        failed = 0
        for index in indexes:
            wanted = {key: index[key] for key in index if key not in _OF_THE_SERVER}
            if [*wanted["key"]] == ["_id"]:
                continue
            try:
                await self._database.command({"createIndexes": name, "indexes": [wanted]})
            except OperationFailure as error:
                if error.code == _UNAUTHORIZED:
                    raise
                if error.code not in _DEFINED_OTHERWISE:
                    log.warning("restore.index_left_out", collection=name, index=str(wanted["name"]), code=error.code)
                    failed += 1
        return failed

    async def insert(self, name: str, documents: Sequence[bytes]) -> Sequence[Refused]:
        """Those that are not there yet by their `_id`; none is overwritten."""
        try:
            try:
                await self._inserted(name, documents, bypass=True)
            except OperationFailure as error:
                # a right that only an administrator of the database has; it matters where somebody added a validator
                if isinstance(error, BulkWriteError) or error.code != _UNAUTHORIZED:
                    raise
                await self._inserted(name, documents, bypass=False)
        except BulkWriteError as error:
            details = error.details or {}
            mistakes = details.get("writeErrors", [])
            if (
                details.get("writeConcernErrors")
                or not mistakes
                or any(mistake["code"] != _DUPLICATE for mistake in mistakes)
            ):
                raise
            keys = [(mistake["index"], [*mistake.get("keyPattern", {})]) for mistake in mistakes]
            return [Refused(raw=documents[place], keys=pattern) for place, pattern in keys if pattern != ["_id"]]
        return []

    async def _inserted(self, name: str, documents: Sequence[bytes], *, bypass: bool) -> None:
        raw = [RawBSONDocument(document) for document in documents]
        await self._raw(name).insert_many(raw, ordered=False, bypass_document_validation=bypass)

    def _raw(self, name: str) -> Any:
        return self._database.get_collection(name, codec_options=_RAW)
