"""An announced attachment becomes a document: insert or find, in the right conversation."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from ingestor.attempts import Attempts
from ingestor.relocation import Relocation
from shared.correlation import correlation_id
from shared.erase import Eraser
from shared.errors import ErrorCode
from shared.events import MediaReceived, Rejection
from shared.media import Attachment, Customer, Direction, Failure, FailureStage, Media, MediaStatus, Sender
from shared.moves import LEASE
from shared.repository.conversations import ConversationRepository, Resolved
from shared.repository.messages import MessageRepository
from shared.repository.tombstones import Tombstones
from shared.updates import Announcer

log = structlog.get_logger(__name__)

_SAFETY_MARGIN = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The document. `created` is the first attempt's claim on it at the same time."""

    attachment: Attachment
    created: bool


class Register:
    """Finds the document of an event or makes it. A repeat finds what the first one made.

    What was erased does not come back: tombstones are looked for before anything is written, so that no conversation
    comes back either, and again after the insert, as an eraser lays them first and looks for documents then.
    """

    def __init__(
        self,
        *,
        messages: MessageRepository,
        conversations: ConversationRepository,
        announcer: Announcer,
        tombstones: Tombstones,
        eraser: Eraser,
        attempts: Attempts,
        lifetime: timedelta,
    ) -> None:
        self._messages = messages
        self._conversations = conversations
        self._announcer = announcer
        self._tombstones = tombstones
        self._eraser = eraser
        self._attempts = attempts
        self._relocation = Relocation(messages=messages, conversations=conversations, announcer=announcer)
        self._lifetime = lifetime

    async def registered(self, event: MediaReceived, *, attempt: int, now: datetime) -> Registered | None:
        """Insert or find; identities that the webhook ties together are tied. None when it was erased."""
        if await self.erased(event):
            return None
        found = await self._messages.get(event.media_id)
        if found is not None:
            await self._tie_again(event, attempt)
            await self._in_a_conversation(event, found.conversation_id)  # whoever inserted it may have been killed
            if await self.erased(event):
                return None
            return Registered(attachment=await self._relocation.followed(found), created=False)
        resolved = await self._resolved(event)
        await self._conversations.seen(resolved.conversation_id, sender=_participant(event), sent_at=event.sent_at)
        document = self._document(event, resolved.conversation_id, attempt=attempt, now=now)
        change = await self._messages.insert(document)
        if change is None:  # the same event, handled elsewhere at this moment
            return await self.registered(event, attempt=attempt, now=now)
        await self._in_a_conversation(event, resolved.conversation_id)
        if await self.erased(event):  # after all writes: whoever lays a tombstone later sees what they made
            return None
        self._announcer.announce(change)
        return Registered(attachment=await self._relocation.followed(change.attachment), created=True)

    async def erased(self, event: MediaReceived) -> bool:
        """Whether it was erased before; whatever has come back of it is gone by then."""
        if not await self._tombstones.cover(event):
            return False
        await self._eraser.covered(event)
        log.info("media.erased_before")
        self._attempts.count("erased", event)
        return True

    async def _in_a_conversation(self, event: MediaReceived, goes_on: str) -> None:
        """When somebody erases the conversation as it seems empty, and this message was sent after that: a new one."""
        while not await self._conversations.lives(goes_on):
            gone, resolved = goes_on, await self._resolved(event)
            goes_on = resolved.conversation_id
            await self._conversations.seen(goes_on, sender=_participant(event), sent_at=event.sent_at)
            if goes_on != gone:
                await self._relocation.gather(Resolved(conversation_id=goes_on, merged=(gone,)))

    async def _resolved(self, event: MediaReceived) -> Resolved:
        resolved = await self._conversations.resolve(
            phone_number_id=event.phone_number_id,
            customer=event.customer,
            group_id=event.group_id,
            sent_at=event.sent_at,
        )
        await self._relocation.gather(resolved)
        return resolved

    async def _tie_again(self, event: MediaReceived, attempt: int) -> None:
        """Two deliveries of one event may be handled at once, and the one that did not insert be killed in a merge.

        Later attempts do not: what a webhook said of identities may be out of date by then.
        """
        if attempt == 1 and event.group_id is None and event.customer != Customer():
            await self._resolved(event)

    def _document(self, event: MediaReceived, conversation_id: str, *, attempt: int, now: datetime) -> Attachment:
        rejected = event.rejection is not None and event.provider_media_id is None
        return Attachment(
            id=event.media_id,
            conversation_id=conversation_id,
            message_id=event.message_id,
            direction=event.direction,
            phone_number_id=event.phone_number_id,
            sender=event.sender,
            group_id=event.group_id,
            kind=event.kind,
            caption=event.caption,
            file_name=event.file_name,
            sent_at=event.sent_at,
            received_at=event.received_at,
            correlation_id=correlation_id(),
            media=Media(
                status=MediaStatus.FAILED if rejected else MediaStatus.PENDING,
                revision=1,
                provider_media_id=event.provider_media_id,
                attempts=0 if rejected else attempt,
                wake_at=None if rejected else now + LEASE,
                deadline=event.received_at + self._lifetime - _SAFETY_MARGIN,
                updated_at=now,
                declared=event.declared,
                failure=_rejected(event.rejection, now) if event.rejection else None,
            ),
        )


def _participant(event: MediaReceived) -> Sender:
    """Who took part besides the business: what it sent itself tells who it went to."""
    if event.direction is Direction.INBOUND:
        return event.sender
    return Sender(wa_id=event.customer.wa_id, user_id=event.customer.user_id)


def _rejected(rejection: Rejection, now: datetime) -> Failure:
    return Failure(
        stage=FailureStage.INGEST,
        code=ErrorCode.PROVIDER_REJECTED,
        message=rejection.message,
        provider_code=rejection.provider_code,
        at=now,
    )
