"""An announced attachment becomes a document: insert or find, in the right conversation."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ingestor.relocation import Relocation
from shared.errors import ErrorCode
from shared.events import MediaReceived, Rejection
from shared.media import Attachment, Customer, Direction, Failure, FailureStage, Media, MediaStatus, Sender
from shared.moves import LEASE
from shared.repository.conversations import ConversationRepository, Resolved
from shared.repository.messages import MessageRepository
from shared.updates import Announcer

_SAFETY_MARGIN = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class Registered:
    """The document. `created` is the first attempt's claim on it at the same time."""

    attachment: Attachment
    created: bool


class Register:
    """Finds the document of an event or makes it. A repeat finds what the first one made."""

    def __init__(
        self,
        *,
        messages: MessageRepository,
        conversations: ConversationRepository,
        announcer: Announcer,
        lifetime: timedelta,
    ) -> None:
        self._messages = messages
        self._conversations = conversations
        self._announcer = announcer
        self._relocation = Relocation(messages=messages, conversations=conversations, announcer=announcer)
        self._lifetime = lifetime

    async def registered(self, event: MediaReceived, *, attempt: int, now: datetime) -> Registered:
        """Insert or find; identities that the webhook ties together are tied."""
        found = await self._messages.get(event.media_id)
        if found is not None:
            await self._tie_again(event, attempt)
            return Registered(attachment=await self._relocation.followed(found), created=False)
        resolved = await self._resolved(event)
        await self._conversations.seen(resolved.conversation_id, sender=_participant(event), sent_at=event.sent_at)
        document = self._document(event, resolved.conversation_id, attempt=attempt, now=now)
        change = await self._messages.insert(document)
        if change is None:  # the same event, handled elsewhere at this moment
            return await self.registered(event, attempt=attempt, now=now)
        self._announcer.announce(change)
        return Registered(attachment=await self._relocation.followed(change.attachment), created=True)

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
