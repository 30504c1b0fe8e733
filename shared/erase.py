"""Erasing: tombstones first, then documents, files and empty conversations. Whatever is cut off is done by a repeat."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from shared.broker.publisher import Publisher, PublishFailed
from shared.clock import Clock
from shared.errors import StorageFull, StorageUnavailable
from shared.events import IdentityChanged, MediaErased, MediaReceived
from shared.ids import new_correlation_id
from shared.release import Release
from shared.repository.blob_rows import BlobRows
from shared.repository.erased_names import of_media, of_message
from shared.repository.erasure import Doomed, ErasureRepository, Target
from shared.repository.mongo import Database
from shared.repository.removals import Removals
from shared.repository.tombstones import FOR_EVER, Tombstones

log = structlog.get_logger(__name__)

Again = Callable[[], Awaitable[Target | None]]

_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What went. `files` are contents, each with its previews; `files_left` could not be deleted now."""

    documents: int
    files: int
    files_shared: int
    files_left: int
    conversations: int


class Eraser:
    """Every method may raise `DatabaseError` and `TombstonesSealed`; nothing comes back even so, and a repeat goes on.

    Telling (`media.erased`) never fails the work: clients fetch again after a gap.
    """

    def __init__(
        self, *, database: Database, tombstones: Tombstones, release: Release, publisher: Publisher, clock: Clock
    ) -> None:
        self._erasure = ErasureRepository(database)
        self._removals = Removals(database)
        self._rows = BlobRows(database)
        self._tombstones = tombstones
        self._release = release
        self._publisher = publisher
        self._clock = clock

    async def erase(
        self, target: Target, *, again: Again | None = None, on_document: Callable[[], None] = lambda: None
    ) -> Erased:
        """Everything of the target that was sent before now, or is here now.

        `again` looks what the target is by now: a webhook may tie it to other names, and move its documents, before
        the tombstones are laid or while it is erased. None: nothing is left of it.
        """
        now = self._clock()
        work = _Work(self, on_document)
        done: list[Target] = []
        current: Target | None = target
        while current is not None and current not in done:
            await self._part(current, work, now=now)
            done.append(current)
            current = await again() if again is not None else None
        return await work.finished([each for part in done for each in part.conversations])

    async def covered(self, event: MediaReceived) -> None:
        """This attachment was erased, and is on its way again: whatever has come of it goes."""
        found = await self._erasure.get(event.media_id)
        work = _Work(self)
        if found is not None:
            await self._tombstones.lay([of_media(found.id)], before=FOR_EVER)
            await work.document(found)
        elif event.declared.sha256 is not None:  # an attempt that was cut off may have brought the bytes home
            work.digests.add(event.declared.sha256)
        await work.finished(await self._erasure.forget_comer(event))

    async def covered_change(self, event: IdentityChanged) -> None:
        """This customer was erased after the change: a conversation that it may have made goes if it is empty."""
        for conversation_id in await self._erasure.made_by(event):
            await self.empty_conversation(conversation_id)

    async def remove(self, doomed: Doomed) -> Doomed | None:
        """Remove one document and tell of it; as it was when it went."""
        if doomed.original is not None:
            await self._release.note(doomed.original)
        deleted = await self._erasure.delete(doomed)
        if deleted is None:
            return None
        log.info("media.erased", mediaId=deleted.id, conversationId=deleted.conversation_id)
        event = MediaErased(id=deleted.id, conversation_id=deleted.conversation_id)
        try:
            await self._publisher.publish([event], correlation_id=new_correlation_id(), mandatory=False)
        except PublishFailed as error:
            log.warning("media_erased.not_published", mediaId=deleted.id, reason=str(error))
        return deleted

    async def release(self, sha256: str) -> bool | None:
        """True: deleted; False: documents of others have it; None: not now, somebody does it later."""
        try:
            if await self._release.unreferenced(sha256):
                return True
            return False if await self._removals.is_referenced(sha256) else None
        except (StorageUnavailable, StorageFull) as error:
            log.warning("file.not_deleted", reason=error.message, next="the ingestor tries again by itself")
            return None

    async def empty_conversation(self, conversation_id: str) -> bool:
        """Remove it if no document is left in it."""
        return await self._erasure.empty_conversation(conversation_id)

    async def stored(self, digests: set[str]) -> set[str]:
        """Those of these digests whose bytes are known here."""
        return {*await self._rows.of(digests)}

    async def _part(self, target: Target, work: "_Work", *, now: datetime) -> None:
        # Meta dates messages by the second: what is sent in this one may be sent after this
        before = FOR_EVER if target.for_ever else now.replace(microsecond=0)
        await self._tombstones.lay(target.names, before=before)
        while batch := await self._erasure.documents(target, before=before, received_by=now, limit=_AT_ONCE):
            names = [of_media(doomed.id) for doomed in batch]
            if target.whole_messages:
                names += [of_message(*doomed.message) for doomed in batch if doomed.message is not None]
            await self._tombstones.lay(names, before=FOR_EVER)
            await asyncio.gather(*(work.document(doomed) for doomed in batch))
        await self._erasure.forget_participant(target)


class _Work:
    """One erasure under way: what it has met."""

    def __init__(self, eraser: Eraser, on_document: Callable[[], None] = lambda: None) -> None:
        self._eraser = eraser
        self._on_document = on_document
        self._documents = 0
        self._conversations: set[str] = set()
        self.digests: set[str] = set()
        self._announced: set[str] = set()

    async def document(self, doomed: Doomed) -> None:
        deleted = await self._eraser.remove(doomed)
        if deleted is None:
            return
        self._documents += 1
        self._on_document()
        self.digests.update(each.original.sha256 for each in (doomed, deleted) if each.original is not None)
        # of an earlier attempt the file may be here, though the document does not show it any more
        self._announced.update(each.announced for each in (doomed, deleted) if each.announced is not None)
        if deleted.conversation_id is not None:
            self._conversations.add(deleted.conversation_id)

    async def finished(self, conversations: Sequence[str]) -> Erased:
        digests = self.digests | await self._eraser.stored(self._announced)
        released = [await self._eraser.release(sha256) for sha256 in sorted(digests)]
        emptied = [
            await self._eraser.empty_conversation(each) for each in sorted({*conversations, *self._conversations})
        ]
        return Erased(
            documents=self._documents,
            files=released.count(True),
            files_shared=released.count(False),
            files_left=released.count(None),
            conversations=emptied.count(True),
        )
