"""`media.stored` → the renditions this kind of file has, the document `ready`."""

from collections.abc import Sequence

import structlog

from previewer.metrics import MEDIA_AGE_SECONDS
from previewer.render_missing import RenderMissing
from shared.broker.consumer import Delivery
from shared.broker.retry import Decision, RetryIn, RetryPolicy, Settled, given_up
from shared.clock import Clock
from shared.errors import ObjectNotFound
from shared.events import Event, MediaStored
from shared.media import Attachment, FailureStage, MediaStatus, Rendition
from shared.moves import failure_of, ingest_again, mark_failed, mark_ready, preview_waits
from shared.release import Release
from shared.repository.blobs import Blob
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.requeue import received_again
from shared.unburied import GivenUpBefore, given_up_at
from shared.updates import Announcer, repeated

log = structlog.get_logger(__name__)


class PreviewHandler:
    """One attachment from stored to ready. A failure costs the picture, never the original."""

    def __init__(
        self,
        *,
        messages: MessageRepository,
        render_missing: RenderMissing,
        release: Release,
        announcer: Announcer,
        policy: RetryPolicy,
        clock: Clock,
    ) -> None:
        self._messages = messages
        self._render_missing = render_missing
        self._release = release
        self._announcer = announcer
        self._policy = policy
        self._clock = clock

    async def handle(self, event: MediaStored, delivery: Delivery) -> Sequence[Event]:
        """See the consumer: a repeat gives the same answer."""
        current = await self._messages.get(event.media_id)
        if current is None:
            await self._erased_meanwhile(event.sha256)
            return []
        original = current.media.storage.original
        if delivery.redelivered and current.media.status is not MediaStatus.PENDING:
            # an earlier delivery of the same event may have been killed before it said what it did
            self._announcer.announce(repeated(current))
            failure = given_up_at(FailureStage.PREVIEW, current)
            if failure is not None:
                raise GivenUpBefore(failure)
        if current.media.status is not MediaStatus.STORED or original is None:
            return []
        try:
            blob = await self._render_missing.of(original, kind=current.kind)
        except ObjectNotFound:
            return await self._fetch_again(current)
        await self._ready(current, blob)
        return []

    async def settle(self, event: MediaStored, error: Exception, delivery: Delivery) -> Decision:
        """Plan another rendering or give up, and write it into the document."""
        if isinstance(error, DatabaseError):
            raise error
        if isinstance(error, GivenUpBefore):
            return given_up(error)
        now = self._clock()
        # the bytes are ours: no deadline of Meta's runs any more, so the list of delays is used up once
        decision = self._policy.decide(error, attempt=delivery.attempt, deadline=None, now=now)
        while True:
            current = await self._messages.get(event.media_id)
            if current is None:
                await self._erased_meanwhile(event.sha256)
                return Settled()
            if current.media.status is not MediaStatus.STORED:
                return Settled()
            if isinstance(decision, RetryIn):
                failure = failure_of(error, stage=FailureStage.PREVIEW, at=now)
                move = preview_waits(failure, delay_seconds=decision.seconds, now=now)
            else:
                failure = failure_of(decision, stage=FailureStage.PREVIEW, at=now)
                move = mark_failed(failure)
            change = await self._messages.change(current, move)
            if change is not None:
                log.warning(
                    "preview.failed",
                    conversationId=current.conversation_id,
                    code=failure.code.value,
                    reason=failure.message,
                    willRetry=isinstance(decision, RetryIn),
                )
                self._announcer.announce(change)
                return decision

    async def _ready(self, current: Attachment, blob: Blob) -> None:
        renditions = {name: Rendition(**made.model_dump(exclude={"recipe"})) for name, made in blob.renditions.items()}
        while True:
            change = await self._messages.change(current, mark_ready(renditions, blob.facts))
            if change is not None:
                self._announcer.announce(change)
                MEDIA_AGE_SECONDS.observe(max(0.0, (self._clock() - current.sent_at).total_seconds()))
                return
            again = await self._messages.get(current.id)
            if again is None:
                await self._erased_meanwhile(blob.id)
                return
            if again.media.status is not MediaStatus.STORED:
                return  # another delivery got there, or the original is fetched again
            current = again

    async def _erased_meanwhile(self, sha256: str) -> None:
        """What was made for a document that is gone must not stay behind, unless another document has the same file."""
        await self._release.unreferenced(sha256)

    async def _fetch_again(self, current: Attachment) -> Sequence[Event]:
        original = current.media.storage.original
        log.error("original.missing", conversationId=current.conversation_id, next="it is downloaded again")
        change = await self._messages.change(current, ingest_again(now=self._clock()))
        if change is None:
            if original is not None and await self._messages.get(current.id) is None:
                await self._erased_meanwhile(original.sha256)
            return []
        self._announcer.announce(change)
        return [received_again(change.attachment)]
