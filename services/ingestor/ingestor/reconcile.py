"""The net under everything: documents that are not final and that nobody looked at in time are set moving again."""

import asyncio

import structlog

from shared.broker.publisher import Publisher, PublishFailed
from shared.clock import Clock
from shared.ids import new_correlation_id
from shared.media import Attachment, MediaStatus
from shared.moves import SOON, ingest_again, look_again
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.requeue import received_again, stored_again
from shared.updates import Announcer, repeated

log = structlog.get_logger(__name__)


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
        """Set moving what is stranded now; how many."""
        now = self._clock()
        moved = 0
        async for attachment in self._messages.stranded(now):
            correlation_id = attachment.correlation_id or new_correlation_id()
            with structlog.contextvars.bound_contextvars(correlationId=correlation_id):
                claimed = await self._claimed(attachment)
                if claimed is not None:
                    await self._publish(claimed, correlation_id)
                    # only now: a claim whose event was not published ends soon
                    later = look_again(unchanged_since=claimed.media.updated_at, now=self._clock())
                    await self._messages.wake_later(claimed, later)
                    moved += 1
        return moved

    async def _claimed(self, attachment: Attachment) -> Attachment | None:
        """The document, if nobody else takes care of it now."""
        now = self._clock()
        if _was_set_by_hand(attachment):
            change = await self._messages.change(attachment, ingest_again(now=now))
            if change is None:
                return None
            self._announcer.announce(change)
            return change.attachment
        if not await self._messages.wake_later(attachment, now + SOON):
            return None
        # whoever changed it last may have been killed before it said so
        self._announcer.announce(repeated(attachment))
        return attachment.model_copy(update={"media": attachment.media.model_copy(update={"wake_at": now + SOON})})

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


def _was_set_by_hand(attachment: Attachment) -> bool:
    """A person asks for the download: no state of ours is pending without `wakeAt` or with an original, nor the other
    way round. It begins anew, with all its attempts."""
    media = attachment.media
    if media.status is MediaStatus.PENDING:
        return media.wake_at is None or media.storage.original is not None
    return media.storage.original is None
