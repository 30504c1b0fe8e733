"""`media.received` → the verified original in the store, the document `stored`, `media.stored` published."""

from collections.abc import Sequence

import structlog

from ingestor.attempts import Attempts
from ingestor.claim import Claim, claim
from ingestor.fairness import FairShare
from ingestor.fetch import Fetcher, TooLarge
from ingestor.register import Register
from ingestor.room import Room
from ingestor.settlement import Settlement
from shared.broker.consumer import Delivery
from shared.broker.retry import Decision, Settled
from shared.clock import Clock
from shared.errors import ErrorCode, PermanentError, StorageUnavailable
from shared.events import Event, MediaReceived
from shared.media import Attachment, Failure, FailureStage, MediaStatus, Original
from shared.moves import LEASE, begin_attempt, mark_skipped, mark_stored, store_again
from shared.release import Release
from shared.repository.blobs import BlobRepository
from shared.repository.messages import MessageRepository
from shared.requeue import stored_again
from shared.single_flight import SingleFlight
from shared.unburied import GivenUpBefore, given_up_at
from shared.updates import Announcer, repeated


class IngestHandler:
    """One attachment from announced to stored. Every step may be repeated; none is done twice."""

    def __init__(
        self,
        *,
        register: Register,
        messages: MessageRepository,
        fetcher: Fetcher,
        settlement: Settlement,
        announcer: Announcer,
        attempts: Attempts,
        clock: Clock,
        fair_share: FairShare,
        room: Room,
        blobs: BlobRepository,
        release: Release,
        max_bytes: int,
    ) -> None:
        self._register = register
        self._messages = messages
        self._fetcher = fetcher
        self._settlement = settlement
        self._announcer = announcer
        self._attempts = attempts
        self._clock = clock
        self._fair_share = fair_share
        self._room = room
        self._blobs = blobs
        self._release = release
        self._max_bytes = max_bytes
        self._downloads = SingleFlight()

    async def handle(self, event: MediaReceived, delivery: Delivery) -> Sequence[Event]:
        """See the consumer: a repeat gives the same answer."""
        registered = await self._register.registered(event, attempt=delivery.attempt, now=self._clock())
        if registered is None:
            return []  # erased before
        current: Attachment | None = registered.attachment
        structlog.contextvars.bind_contextvars(conversationId=registered.attachment.conversation_id)
        if not registered.created:
            current = await self._claimed(registered.attachment, delivery)
        if current is None or current.media.status is not MediaStatus.PENDING:
            return await self._answered_again(event.media_id, delivery)
        if event.rejection is not None and current.media.provider_media_id is None:
            # not in Meta's words: this message goes into logs and headers, and theirs may quote anything
            raise PermanentError(
                "Meta itself could not deliver this media, and has nothing to download; "
                "ask the customer to send it again",
                code=ErrorCode.PROVIDER_REJECTED,
                provider_code=event.rejection.provider_code,
            )
        try:
            original = await self._original(current)
        except TooLarge as too_large:
            await self._skip(current, too_large)
            return []
        return await self._stored(current, original)

    async def settle(self, event: MediaReceived, error: Exception, delivery: Delivery) -> Decision:
        """See the consumer."""
        if await self._register.erased(event):
            return Settled()
        return await self._settlement.settle(event, error, delivery)

    async def _claimed(self, current: Attachment, delivery: Delivery) -> Attachment | None:
        """The document with this attempt's claim on it; None when there is nothing to do."""
        while True:
            decision = claim(current, delivery)
            now = self._clock()
            waits = current.media.next_attempt_at is not None
            if decision is Claim.BEGIN or (decision is Claim.RESUME and waits):
                if delivery.may_be_untold:  # whoever planned this attempt may have been killed before it said so
                    self._announcer.announce(repeated(current))
                change = await self._messages.change(current, begin_attempt(delivery.attempt, now=now))
                if change is not None:
                    self._announcer.announce(change)
                    return change.attachment
            elif decision is Claim.RESUME:
                if await self._messages.wake_later(current, now + LEASE):
                    if delivery.may_be_untold:
                        self._announcer.announce(repeated(current))
                    return current
            else:
                return None
            again = await self._messages.get(current.id)
            if again is None:
                return None  # erased meanwhile
            current = again

    async def _answered_again(self, media_id: str, delivery: Delivery) -> Sequence[Event]:
        """What an earlier delivery of the same event caused, for the case that it died before it could say so."""
        current = await self._messages.get(media_id)
        if current is None or current.media.status is MediaStatus.PENDING:
            return []
        if delivery.redelivered:
            self._announcer.announce(repeated(current))
            failure = given_up_at(FailureStage.INGEST, current)
            if failure is not None and current.media.attempts == delivery.attempt:
                raise GivenUpBefore(failure)
        return await self._answer(current)

    async def _answer(self, current: Attachment) -> Sequence[Event]:
        """`media.stored`, once it is certain that the bytes are not being removed under it."""
        original = current.media.storage.original
        if current.media.status is not MediaStatus.STORED or original is None:
            return []
        if not await self._blobs.is_live(original.sha256):
            change = await self._messages.change(current, store_again(now=self._clock()))
            if change is not None:
                self._announcer.announce(change)
            await self._release.note(original)  # they may have been put after they were removed
            msg = "the same file was removed at this moment, because nothing else referred to it; it is fetched anew"
            raise StorageUnavailable(msg)
        return [stored_again(current)]

    async def _original(self, current: Attachment) -> Original:
        # by digest where Meta gave one, so that one picture from two customers is downloaded once
        async with self._downloads.of(current.media.declared.sha256 or current.id):
            linked = await self._fetcher.linked(current)
            if linked is None:
                await self._room.demand()
                async with self._fair_share.of(current.phone_number_id):
                    original = await self._fetcher.downloaded(current)
            else:
                original = linked
        self._attempts.count("linked" if linked else "stored", current)
        return original

    async def _stored(self, current: Attachment, original: Original) -> Sequence[Event]:
        while True:
            change = await self._messages.change(current, mark_stored(original, now=self._clock()))
            if change is not None:
                self._announcer.announce(change)
                return await self._answer(change.attachment)
            again = await self._messages.get(current.id)
            if again is None:  # erased meanwhile
                await self._release.abandoned(original)
                return []
            if again.media.status is MediaStatus.STORED:
                return await self._answer(again)
            if again.media.storage.original is not None and again.media.status is not MediaStatus.PENDING:
                return []
            current = again  # changed by another attempt, or given up too early: verified bytes win

    async def _skip(self, current: Attachment, too_large: TooLarge) -> None:
        size = "" if too_large.size_bytes is None else f"{too_large.size_bytes} bytes, "
        failure = Failure(
            stage=FailureStage.INGEST,
            code=ErrorCode.MEDIA_TOO_LARGE,
            message=f"the file is too large: {size}more than the limit of {self._max_bytes} bytes "
            "(MEDIA_MAX_ORIGINAL_BYTES); raise the limit and retry to get it",
            at=self._clock(),
        )
        while current.media.status is MediaStatus.PENDING:  # else another attempt is ahead, and its word counts
            change = await self._messages.change(current, mark_skipped(failure, size_bytes=too_large.size_bytes))
            if change is not None:
                self._attempts.count("skipped", current, code=ErrorCode.MEDIA_TOO_LARGE)
                self._announcer.announce(change)
                return
            again = await self._messages.get(current.id)
            if again is None:
                return  # erased meanwhile
            current = again
