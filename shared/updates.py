"""A change of state is told once for each revision: a log line, a tick of the counter, an event for the live view."""

import asyncio

import structlog

from shared.broker.publisher import Publisher, PublishFailed
from shared.correlation import correlation_id
from shared.events import MediaUpdated
from shared.media import FINAL, Attachment, FailureStage, MediaStatus, public_json
from shared.metrics import MEDIA_UPDATES
from shared.repository.messages import Change

log = structlog.get_logger(__name__)


def repeated(current: Attachment) -> Change:
    """The change that led to the current state, to be told once more."""
    media = current.media
    if media.revision == 1:
        return Change(attachment=current, previous=None)
    after_preview = media.failure is not None and media.failure.stage is FailureStage.PREVIEW
    was_stored = media.status is MediaStatus.READY or after_preview
    return Change(attachment=current, previous=MediaStatus.STORED if was_stored else MediaStatus.PENDING)


class Announcer:
    """Tells changes. Telling never fails the work: the document is the truth, and clients fetch it after a gap."""

    def __init__(self, publisher: Publisher, *, service: str) -> None:
        self._publisher = publisher
        self._service = service
        self._under_way: set[asyncio.Task[None]] = set()

    def announce(self, change: Change) -> None:
        """Log and count at once; publish `media.updated` in the background."""
        attachment, media = change.attachment, change.attachment.media
        # on a state that still has a way to go, `failure` is the last attempt's and belongs to that attempt's line
        failure = media.failure if media.status in FINAL else None
        code = failure.code.value if failure else None
        told = {"code": code, "providerStatus": failure.provider_status} if failure else {}
        log.info(
            "message_media_updated",
            mediaId=attachment.id,
            messageId=attachment.message_id,
            conversationId=attachment.conversation_id,
            phoneNumberId=attachment.phone_number_id,
            kind=attachment.kind.value,
            status=media.status.value,
            previousStatus=change.previous.value if change.previous else None,
            revision=media.revision,
            **told,
        )
        MEDIA_UPDATES.labels(self._service, media.status.value, attachment.kind.value, code or "").inc()
        task = asyncio.create_task(self._publish(MediaUpdated.of(public_json(attachment)), correlation_id()))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def drain(self) -> None:
        """Wait for what is being published; each publish is over within its time limit."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _publish(self, event: MediaUpdated, correlation_id: str) -> None:
        try:
            await self._publisher.publish([event], correlation_id=correlation_id, mandatory=False)
        except PublishFailed as error:
            log.warning("media_updated.not_published", mediaId=event.id, reason=str(error))
