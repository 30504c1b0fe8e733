"""Puts right what a check has found, as far as it can be: Meta still has the file, or it can be made again."""

from dataclasses import replace
from enum import StrEnum

import structlog

from shared.broker.publisher import Publisher, PublishFailed
from shared.clock import Clock
from shared.errors import ObjectNotFound
from shared.ids import new_correlation_id
from shared.keys import parse
from shared.media import Attachment, MediaStatus, Original
from shared.moves import Move, ingest_again, preview_again
from shared.release import Release
from shared.repository.blob_rows import BlobRows
from shared.repository.blobs import Blob
from shared.repository.messages import MessageRepository
from shared.repository.references import References, promises_original
from shared.requeue import received_again, stored_again
from shared.storage.filesystem import FilesystemStore
from shared.storage_check.advice import can_be_downloaded
from shared.storage_check.digests import digest_of
from shared.storage_check.findings import Finding, Problem
from shared.storage_check.promised import PromisedFiles
from shared.storage_check.unfinished import ABANDONED_SECONDS
from shared.updates import Announcer

log = structlog.get_logger(__name__)

_TRIES = 10


class Outcome(StrEnum):
    """What became of a finding; the text stands in the list."""

    DOWNLOADED_AGAIN = "it is downloaded again"
    COMES_BACK = "it comes back with another attachment that has the same file"
    RENDERED_AGAIN = "it is made again"
    REMOVED = "it was removed"
    IN_ORDER = "it is in order by now"
    LEFT = "left"


class Repair:
    """Looks at each thing once more first. A document moves before its event is sent: a lost event costs seconds."""

    def __init__(
        self,
        *,
        files: PromisedFiles,
        messages: MessageRepository,
        references: References,
        rows: BlobRows,
        release: Release,
        store: FilesystemStore,
        publisher: Publisher,
        announcer: Announcer,
        clock: Clock,
    ) -> None:
        self._files = files
        self._messages = messages
        self._references = references
        self._rows = rows
        self._release = release
        self._store = store
        self._publisher = publisher
        self._announcer = announcer
        self._clock = clock

    async def repair(self, finding: Finding) -> Outcome:
        """What became of it. `LEFT`: it cannot be repaired, and nothing was touched."""
        match finding.problem:
            case Problem.ORIGINAL_MISSING | Problem.ORIGINAL_DAMAGED if finding.attachment is not None:
                return await self._original(finding.attachment)
            case Problem.RENDITION_MISSING | Problem.RENDITION_DAMAGED if finding.attachment is not None:
                return await self._renditions(finding.attachment)
            case Problem.RENDITION_MISSING if finding.row is not None:
                await self._forget_renditions(finding.row)
                return Outcome.REMOVED
            case Problem.ROW_WITHOUT_FILE | Problem.ORIGINAL_DAMAGED if finding.row is not None:
                # spared if a document has come to refer to it since
                return Outcome.REMOVED if await self._release.unreferenced(finding.row.id) else Outcome.IN_ORDER
            case Problem.UNFINISHED:
                await self._store.sweep(older_than_seconds=ABANDONED_SECONDS)
                return Outcome.REMOVED
            case _:
                return Outcome.LEFT

    async def _original(self, found: Attachment) -> Outcome:
        for _ in range(_TRIES):
            current = await self._messages.get(found.id)
            if current is None or not promises_original(current) or not await self._is_wrong(current):
                return Outcome.IN_ORDER
            original = current.media.storage.original
            if not can_be_downloaded(current, self._clock()):
                return Outcome.COMES_BACK if original and await self._lives_elsewhere(original) else Outcome.LEFT
            if original is not None:
                await self._rows.expect(original.sha256)
                # the document does not name them any more from now on, and may be erased before they are back
                await self._release.note(original)
                # else the damaged file would be linked: for its size it looks like what Meta announced
                if _is_its_own(original):
                    await self._store.delete(original.key)
                row = await self._rows.get(original.sha256)
                if row is not None:
                    await self._forget_renditions(row)
            if await self._moved(current, ingest_again(now=self._clock())):
                return Outcome.DOWNLOADED_AGAIN
        return Outcome.LEFT

    async def _renditions(self, found: Attachment) -> Outcome:
        for _ in range(_TRIES):
            current = await self._messages.get(found.id)
            if current is None or not promises_original(current):
                return Outcome.IN_ORDER
            if current.media.status is MediaStatus.STORED:
                return Outcome.RENDERED_AGAIN
            wrong = {finding.key: finding.problem for finding in await self._files.of(current)}
            if not wrong:
                return Outcome.IN_ORDER
            if Problem.ORIGINAL_MISSING in wrong.values():
                return Outcome.LEFT  # there is nothing to make it of
            names = [name for name, made in current.media.storage.renditions.items() if made.key in wrong]
            original = current.media.storage.original
            row = await self._rows.get(original.sha256) if original is not None else None
            if row is not None:
                await self._forget_renditions(row)
            again = preview_again(now=self._clock())
            # nor does the document name them any more, in case that they cannot be made this time
            move = replace(again, drop=(*again.drop, *(f"storage.renditions.{name}" for name in names)))
            if await self._moved(current, move):
                return Outcome.RENDERED_AGAIN
        return Outcome.LEFT

    async def _lives_elsewhere(self, original: Original) -> bool:
        return any([can_be_downloaded(other, self._clock()) async for other in self._references.to(original.sha256)])

    async def _is_wrong(self, attachment: Attachment) -> bool:
        original = attachment.media.storage.original
        if original is None:
            return True
        try:
            return await digest_of(self._store, original.key) != original.sha256
        except (ObjectNotFound, ValueError):
            return True

    async def _forget_renditions(self, row: Blob) -> None:
        """Those that are not there as the row says: the row must not promise them to the next document."""
        for name, made in row.renditions.items():
            try:
                is_there = await self._store.size(made.key) == made.size_bytes
            except ObjectNotFound:
                is_there = False
            if not is_there:
                await self._rows.forget_rendition(row.id, name=name, key=made.key)

    async def _moved(self, current: Attachment, move: Move) -> bool:
        change = await self._messages.change(current, move)
        if change is None:
            return False
        self._announcer.announce(change)
        again = received_again if move.to is MediaStatus.PENDING else stored_again
        try:
            await self._publisher.publish([again(change.attachment)], correlation_id=new_correlation_id())
        except PublishFailed as error:
            log.warning("repair.not_published", mediaId=current.id, reason=str(error), next="the reconciler takes it")
            await self._messages.wake_later(change.attachment, self._clock())
        return True


def _is_its_own(original: Original) -> bool:
    """A key that was written by hand may lead nowhere, or to a file of others."""
    named = parse(original.key)
    return named is not None and named.sha256 == original.sha256
