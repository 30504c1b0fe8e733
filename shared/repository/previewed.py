"""Which attachments show previews that are older than today's recipes. Read-only."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import structlog
from pydantic import ValidationError
from pymongo import ASCENDING

from shared.errors import ErrorCode
from shared.keys import parse
from shared.media import Facts, FailureStage, MediaKind, MediaStatus, Original, Storage
from shared.outdated import is_given_up, is_outdated, is_shown
from shared.repository.blobs import Blob, BlobState
from shared.repository.mongo import Database, Document

log = structlog.get_logger(__name__)

_AT_ONCE = 200
_DIGEST = "media.storage.original.sha256"
_SHOWN = {"kind": 1, "media.status": 1, "media.storage": 1, "media.facts": 1}
_FAILED: Document = {
    "media.status": MediaStatus.FAILED.value,
    "media.failure.stage": FailureStage.PREVIEW.value,
}
# not for want of the store: every attachment with this file would fail alike
_THROUGH_ITS_FILE = [
    ErrorCode.PREVIEW_CRASHED.value,
    ErrorCode.PREVIEW_OUT_OF_MEMORY.value,
    ErrorCode.PREVIEW_TIMEOUT.value,
    ErrorCode.PREVIEW_UNREADABLE.value,
    ErrorCode.INTERNAL.value,
]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Whose previews; none named: all. `failed`: also those that could not be made."""

    kinds: frozenset[MediaKind] = frozenset()
    numbers: frozenset[str] = frozenset()
    failed: bool = False

    @property
    def query(self) -> Document:
        """Attachments with which nothing happens at the moment."""
        states: list[Document] = [{"media.status": MediaStatus.READY.value}]
        if self.failed:
            states.append(_FAILED)
        query: Document = {"$or": states}
        if self.kinds:
            query["kind"] = {"$in": sorted(self.kinds)}
        if self.numbers:
            query["phoneNumberId"] = {"$in": sorted(self.numbers)}
        return query


@dataclass(frozen=True, kw_only=True)
class Showing:
    """An attachment whose previews are to be made, or told, anew."""

    id: str
    kind: str
    failed: bool


@dataclass(frozen=True, kw_only=True)
class Content:
    """One file and the attachments that have it, those first that failed.

    `is_outdated`: something is to be made or told of it; else it is known already, and only these do not show it.
    `given_up`: it took too many decoders down, so it is left alone; `failed_before`: so it is because another
    attachment failed for it. Neither when those that failed are wanted.
    """

    sha256: str
    size_bytes: int
    attachments: Sequence[Showing]
    is_outdated: bool
    given_up: bool = False
    failed_before: bool = False


class Previewed:
    """Every method may raise `DatabaseError`."""

    def __init__(self, database: Database) -> None:
        self._messages = database["messages"]
        self._blobs = database["blobs"]

    async def count(self, wanted: Wanted) -> int:
        """How many attachments `batches` looks at."""
        return await self._messages.count_documents({_DIGEST: {"$gt": ""}, **wanted.query})

    async def batches(self, wanted: Wanted) -> AsyncIterator[tuple[int, Sequence[Content]]]:
        """How many attachments were looked at, and the contents of those of them that are concerned.

        Each batch is a question of its own: between two of them any time may pass.
        """
        after = ""
        while digests := await self._digests(wanted, after=after):
            after = max(digests)
            yield await self._concerned(digests, wanted)

    async def _digests(self, wanted: Wanted, *, after: str) -> set[str]:
        found = self._messages.find({_DIGEST: {"$gt": after}, **wanted.query}, {_DIGEST: 1})
        rows = await found.sort(_DIGEST, ASCENDING).limit(_AT_ONCE).to_list(_AT_ONCE)
        return {row["media"]["storage"]["original"]["sha256"] for row in rows}

    async def _concerned(self, digests: set[str], wanted: Wanted) -> tuple[int, Sequence[Content]]:
        rows = {row["_id"]: row async for row in self._blobs.find({"_id": {"$in": [*digests]}})}
        blobs = {digest: _known(row) for digest, row in rows.items()}
        failed = set() if wanted.failed else await self._failed(digests)
        looked_at, behind = 0, dict[str, _Behind]()
        async for document in self._messages.find({_DIGEST: {"$in": [*digests]}, **wanted.query}, _SHOWN):
            looked_at += 1
            digest = document["media"]["storage"]["original"]["sha256"]
            if digest in blobs and blobs[digest] is None:
                continue
            if (showing := _behind(document, blobs)) is not None:
                original, attachment = showing
                behind.setdefault(digest, _Behind(original, [])).attachments.append(attachment)
        return looked_at, [_content(each, blobs, failed) for each in behind.values()]

    async def _failed(self, digests: set[str]) -> set[str]:
        by_file = {"media.failure.code": {"$in": _THROUGH_ITS_FILE}}
        return {*await self._messages.distinct(_DIGEST, {_DIGEST: {"$in": [*digests]}, **_FAILED, **by_file})}


@dataclass(frozen=True)
class _Behind:
    original: Original
    attachments: list[Showing]


def _known(row: Document) -> Blob | None:
    """None for what is to be left alone: it is being removed, or was broken by hand."""
    try:
        blob = Blob.model_validate(row)
    except ValidationError as error:
        log.error("blob.unreadable", blobId=row["_id"], reason=str(error), next="correct it in the collection blobs")
        return None
    return blob if blob.state is BlobState.LIVE else None


def _behind(document: Document, blobs: Mapping[str, Blob | None]) -> tuple[Original, Showing] | None:
    media = document["media"]
    failed = media["status"] == MediaStatus.FAILED.value
    try:
        storage, facts = Storage.model_validate(media["storage"]), Facts.model_validate(media.get("facts", {}))
    except ValidationError:
        log.error("document.unreadable", mediaId=str(document["_id"]), next="correct it in the database")
        return None
    original = storage.original
    if original is None:
        return None
    blob = blobs.get(original.sha256)
    if blob is None:  # the row was lost, and the previewer makes it anew
        named = parse(original.key)
        if named is None or named.sha256 != original.sha256:  # mangled by hand: `storage check` tells
            return None
    elif not failed and not is_outdated(blob) and is_shown(blob, storage=storage, facts=facts):
        return None
    return original, Showing(id=document["_id"], kind=str(document["kind"]), failed=failed)


def _content(behind: _Behind, blobs: Mapping[str, Blob | None], failed: set[str]) -> Content:
    original, blob = behind.original, blobs.get(behind.original.sha256)
    outdated = blob is None or is_outdated(blob)
    asked = any(showing.failed for showing in behind.attachments)
    return Content(
        sha256=original.sha256,
        size_bytes=original.size_bytes,
        attachments=sorted(behind.attachments, key=lambda showing: not showing.failed),
        is_outdated=outdated,
        given_up=outdated and blob is not None and is_given_up(blob) and not asked,
        failed_before=outdated and original.sha256 in failed,
    )
