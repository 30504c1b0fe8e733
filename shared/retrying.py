"""A person asks for another try: what that means for a document, and how it is set going without losing it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog

from shared.broker.publisher import PublishFailed
from shared.clock import Clock
from shared.correlation import correlation_id
from shared.errors import ErrorCode
from shared.events import Event, MediaReceived, MediaStored
from shared.media import Attachment, FailureStage, MediaStatus
from shared.moves import QUEUED, Move, ingest_again, preview_again
from shared.repository.blobs import BlobRepository
from shared.repository.messages import Change, MessageRepository
from shared.repository.mongo import DatabaseError
from shared.repository.refusals import Refusals
from shared.requeue import received_again, stored_again

log = structlog.get_logger(__name__)

_TRIES = 10
_REFUSED = frozenset({ErrorCode.PROVIDER_AUTH, ErrorCode.PROVIDER_PERMISSION})


class NothingToRetry(Exception):
    """The document is done, or an attempt is under way or queued already."""


class Contended(Exception):
    """The document changed each time between reading and writing it."""


@dataclass(frozen=True, kw_only=True)
class SecondTry:
    """The move of the document, and the event that sets it going."""

    move: Move
    event: MediaReceived | MediaStored


def second_try(attachment: Attachment, *, now: datetime) -> SecondTry | None:
    """What a retry does to this document; None when there is nothing to retry."""
    media = attachment.media
    waits = media.next_attempt_at is not None
    has_original = media.storage.original is not None
    match media.status:
        case MediaStatus.FAILED:
            stage = media.failure.stage if media.failure is not None else FailureStage.INGEST
            again = stage is FailureStage.PREVIEW and has_original
            return _preview(attachment, now) if again else _ingest(attachment, now)
        case MediaStatus.SKIPPED:
            return _ingest(attachment, now)
        case MediaStatus.PENDING if waits:
            return _ingest(attachment, now)
        case MediaStatus.STORED if waits and has_original:
            return _preview(attachment, now)
        case _:
            return None


def rebuilt(attachment: Attachment, *, now: datetime) -> SecondTry | None:
    """What it does to have the previews made (again); None when there is no original at rest to make them of."""
    media = attachment.media
    failed = media.failure is not None and media.failure.stage is FailureStage.PREVIEW
    at_rest = media.status is MediaStatus.READY or (media.status is MediaStatus.FAILED and failed)
    return _preview(attachment, now) if at_rest and media.storage.original is not None else None


async def set_back(
    current: Attachment, again: SecondTry, *, messages: MessageRepository, blobs: BlobRepository
) -> Change | None:
    """Move the document that was read back to where it goes on; None when it has changed since.

    Whoever asks again for what failed wants a decoder to be started, even if this file took several down. That comes
    first: a document that goes on, and whose file is still given up, would fail again at once.
    """
    if isinstance(again.event, MediaStored) and current.media.status is not MediaStatus.READY:
        await blobs.forgive(again.event.sha256)
    return await messages.change(current, again.move)


def _ingest(attachment: Attachment, now: datetime) -> SecondTry:
    return SecondTry(move=ingest_again(now=now), event=received_again(attachment))


def _preview(attachment: Attachment, now: datetime) -> SecondTry:
    return SecondTry(move=preview_again(now=now), event=stored_again(attachment))


class _Decide(Protocol):
    def __call__(self, attachment: Attachment, *, now: datetime) -> SecondTry | None: ...


class EventPublisher(Protocol):
    """What a retry asks of `shared.broker.publisher.Publisher`."""

    async def publish(
        self, events: Iterable[Event], *, correlation_id: str, attempt: int = 1, mandatory: bool = True
    ) -> None:
        """Return when every event is confirmed; raise `PublishFailed`."""


class Retrying:
    """Carries a retry out. The document moves first, so an event that is lost costs seconds, not the attachment."""

    def __init__(
        self,
        *,
        messages: MessageRepository,
        blobs: BlobRepository,
        refusals: Refusals,
        publisher: EventPublisher,
        announce: Callable[[Change], None],
        clock: Clock,
    ) -> None:
        self._messages = messages
        self._blobs = blobs
        self._refusals = refusals
        self._publisher = publisher
        self._announce = announce
        self._clock = clock

    async def retry(self, media_id: str, *, ask_now: bool = False) -> Attachment | None:
        """The document as it goes on, or None when there is none. Raise `NothingToRetry`, `Contended`.

        `ask_now`: a person means this one, so Meta is asked for it though it refuses the number's credentials.
        """
        return await self._carried_out(media_id, second_try, ask_now=ask_now)

    async def rebuild(self, media_id: str) -> Attachment | None:
        """The same for the previews of what is ready, or failed for them. Until they are there the old ones are shown.

        A file that is `ready` and has taken decoders down since is not forgiven for it.
        """
        return await self._carried_out(media_id, rebuilt)

    async def _carried_out(self, media_id: str, decide: _Decide, *, ask_now: bool = False) -> Attachment | None:
        for _ in range(_TRIES):
            current = await self._messages.get(media_id)
            if current is None:
                return None
            again = decide(current, now=self._clock())
            if again is None:
                raise NothingToRetry
            if ask_now and current.media.failure is not None and current.media.failure.code in _REFUSED:
                await self._refusals.probe_now(current.phone_number_id)
            change = await set_back(current, again, messages=self._messages, blobs=self._blobs)
            if change is not None:
                self._announce(change)
                await self._set_going(change.attachment, again.event)
                return change.attachment
        raise Contended

    async def _set_going(self, attachment: Attachment, event: MediaReceived | MediaStored) -> None:
        try:
            await self._publisher.publish([event], correlation_id=correlation_id())
        except PublishFailed as error:
            log.warning("retry.not_published", mediaId=attachment.id, reason=str(error), next="the reconciler takes it")
            # due now: the reconciler looks every RECONCILE_SECONDS for those whom nobody works on
            await self._wake(attachment, self._clock())
        else:
            await self._wake(attachment, self._clock() + QUEUED)

    async def _wake(self, attachment: Attachment, at: datetime) -> None:
        try:
            await self._messages.wake_later(attachment, at)
        except DatabaseError as lost:  # what the move said holds, and the reconciler looks soon
            log.warning("retry.not_woken", mediaId=attachment.id, reason=type(lost).__name__)
