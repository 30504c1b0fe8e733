"""`media.stored` → the renditions this kind of file has, the document `ready`."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from previewer.metrics import MEDIA_AGE_SECONDS
from previewer.render_missing import RenderMissing
from shared.broker.consumer import Delivery
from shared.broker.retry import DeadLetter, Decision, RetryIn, RetryPolicy, Settled, given_up
from shared.clock import Clock
from shared.errors import ErrorCode, ObjectNotFound, PipelineError, PreviewError
from shared.events import Event, MediaStored
from shared.media import Attachment, Facts, Failure, FailureStage, MediaStatus
from shared.moves import failure_of, ingest_again, mark_failed, mark_ready, preview_waits
from shared.outdated import renditions_of
from shared.release import Release
from shared.repository.blobs import Blob
from shared.repository.messages import MessageRepository
from shared.repository.mongo import DatabaseError
from shared.requeue import received_again
from shared.storage_check.advice import can_be_downloaded
from shared.unburied import GivenUpBefore, given_up_at
from shared.updates import Announcer, repeated

log = structlog.get_logger(__name__)

_DEFECT = "Making a preview of this file failed through a fault of Attache. The original can be downloaded."
# what an operator is told in the log is no sentence for the support agent
_SENTENCES: Mapping[ErrorCode, str] = {
    ErrorCode.PREVIEW_CRASHED: "The previewer ended each time it came to this file, so it has no preview. "
    "The original can be downloaded.",
    ErrorCode.PREVIEW_TIMEOUT: "The machine was too busy to make a preview of this file. "
    "The original can be downloaded.",
    ErrorCode.STORAGE_FULL: "There was no room to store a preview of this file. The original can be downloaded.",
    ErrorCode.STORAGE_UNAVAILABLE: "The store could not be reached to make a preview of this file. "
    "Once it is back, the original can be downloaded.",
}


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
                failure = _failure(error, error, at=now)
                move = preview_waits(failure, delay_seconds=decision.seconds, now=now)
            else:
                failure = _failure(decision, error, at=now)
                move = mark_failed(failure)
            change = await self._messages.change(current, move)
            if change is not None:
                log.warning(
                    "preview.failed",
                    conversationId=current.conversation_id,
                    code=failure.code.value,
                    reason=failure.message,
                    willRetry=isinstance(decision, RetryIn),
                    **_detail(error),
                )
                self._announcer.announce(change)
                return decision

    async def _ready(self, current: Attachment, blob: Blob) -> None:
        while True:
            change = await self._messages.change(current, mark_ready(renditions_of(blob), blob.facts))
            if change is not None:
                self._announcer.announce(change)
                if not _was_shown(current):  # nobody has waited for it since its webhook
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
        original, now = current.media.storage.original, self._clock()
        if _was_shown(current) and not can_be_downloaded(current, now):
            # what it shows is all that is left, and must not go, too
            next_step = "Meta has deleted it: put the file back from a backup; attache storage check finds it"
            move = mark_ready(current.media.storage.renditions, current.media.facts)
        else:
            next_step, move = "it is downloaded again", ingest_again(now=now)
        log.error("original.missing", conversationId=current.conversation_id, next=next_step)
        change = await self._messages.change(current, move)
        if change is None:
            if original is not None and await self._messages.get(current.id) is None:
                await self._erased_meanwhile(original.sha256)
            return []
        self._announcer.announce(change)
        return [received_again(change.attachment)] if move.to is MediaStatus.PENDING else []


def _failure(cause: DeadLetter | Exception, error: Exception, *, at: datetime) -> Failure:
    """Why, as a sentence for the support agent; whatever else is known of it only the log and the dead letter tell."""
    failure = failure_of(cause, stage=FailureStage.PREVIEW, at=at)
    if isinstance(error, PreviewError):
        return failure
    return failure.model_copy(update={"message": _SENTENCES.get(failure.code, _DEFECT)})


def _detail(error: Exception) -> dict[str, str]:
    """What the decoder said, what the operator can do, or which defect it is."""
    if isinstance(error, PreviewError):
        return {"detail": error.detail} if error.detail else {}
    return {"detail": error.message if isinstance(error, PipelineError) else type(error).__name__}


def _was_shown(attachment: Attachment) -> bool:
    """It was ready before: this is not its first preview."""
    return bool(attachment.media.storage.renditions) or attachment.media.facts != Facts()
