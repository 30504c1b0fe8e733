"""The net under everything: documents that are not final and that nobody looked at in time are set moving again."""

import asyncio

import structlog

from shared.broker.publisher import Publisher, PublishFailed
from shared.clock import Clock
from shared.ids import new_correlation_id
from shared.media import Attachment, MediaStatus
from shared.moves import ingest_again, look_again
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.requeue import received_again, stored_again
from shared.updates import Announcer

log = structlog.get_logger(__name__)

_AT_ONCE = 200


class Reconciler:
    """Looks every `seconds`. Several ingestors may: each document is claimed by compare-and-set on its `wakeAt`."""

    def __init__(
        self, *, messages: MessageRepository, publisher: Publisher, announcer: Announcer, clock: Clock, seconds: int
    ) -> None:
        self._messages = messages
        self._publisher = publisher
        self._announcer = announcer
        self._clock = clock
        self._seconds = seconds

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.once()
            except (DatabaseError, PublishFailed) as error:
                log.warning("reconcile.postponed", reason=str(error) or type(error).__name__)
            except Exception:  # a defect must not take the net away from all other documents
                log.exception("reconcile.failed")
            await asyncio.sleep(self._seconds)

    async def once(self) -> int:
        """Set moving what is stranded now, at most a batch; how many."""
        now = self._clock()
        moved = 0
        async for attachment in self._messages.stranded(now, limit=_AT_ONCE):
            with structlog.contextvars.bound_contextvars(correlationId=(correlation_id := new_correlation_id())):
                claimed = await self._claimed(attachment)
                if claimed is not None:
                    await self._publish(claimed, correlation_id)
                    moved += 1
        return moved

    async def _claimed(self, attachment: Attachment) -> Attachment | None:
        """The document, if nobody else takes care of it now."""
        now, media = self._clock(), attachment.media
        if media.status is MediaStatus.STORED and media.storage.original is None:
            # set by hand: there is nothing to make previews of, so it begins with the download
            change = await self._messages.change(attachment, ingest_again(now=now))
            if change is None:
                return None
            self._announcer.announce(change)
            return change.attachment
        later = look_again(unchanged_since=media.updated_at, now=now)
        return attachment if await self._messages.wake_later(attachment, later) else None

    async def _publish(self, attachment: Attachment, correlation_id: str) -> None:
        log.warning(
            "media.stranded",
            mediaId=attachment.id,
            messageId=attachment.message_id,
            status=attachment.media.status.value,
            revision=attachment.media.revision,
        )
        is_stored = attachment.media.status is MediaStatus.STORED
        event = stored_again(attachment) if is_stored else received_again(attachment)
        # above the document's count, so that it is taken for a new attempt and not for a duplicate of the last
        attempt = 1 if is_stored else attachment.media.attempts + 1
        await self._publisher.publish([event], correlation_id=correlation_id, attempt=attempt)
