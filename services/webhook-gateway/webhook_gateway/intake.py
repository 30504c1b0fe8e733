"""From the raw bytes of a webhook to events and parked bodies that the broker has confirmed."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import uuid4

import structlog
from aio_pika import DeliveryMode, Message

from shared.broker.dead_letters import dead_letter_headers
from shared.broker.retry import DeadLetter
from shared.broker.topology import UNREADABLE
from shared.clock import Clock
from shared.errors import ErrorCode
from shared.events import Event, MediaReceived, MessageRevoked
from shared.media import MediaKind, MediaStatus
from shared.metrics import MEDIA_UPDATES
from shared.setting_types import OnRevoke
from webhook_gateway.whatsapp import Parsed, Unreadable, parse

log = structlog.get_logger(__name__)

SERVICE = "webhook-gateway"
_REASONS_NAMED = 5


class Confirming(Protocol):
    """Publishes in bounded time: confirmed, or `PublishFailed`. `shared.broker.publisher.Publisher` is one."""

    async def publish(self, events: Iterable[Event], *, correlation_id: str) -> None:
        """Every event is confirmed, their confirms in flight together."""

    async def send(self, queue: str, message: Message) -> None:
        """The message is confirmed to be in the queue."""


class Taken(StrEnum):
    """What became of a webhook that was taken."""

    ACCEPTED = "accepted"  # its events are confirmed
    IGNORED = "ignored"  # it announces nothing
    PARKED = "parked"  # it is wholly or partly unreadable: what could be read is confirmed, the body is parked


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The outcome with its numbers, for one log line."""

    outcome: Taken
    events: int
    unreadable: int
    fields: Mapping[str, int]


class Intake:
    """Takes webhooks whose signature was checked. Unless attachments follow their message, a deletion says nothing."""

    def __init__(self, publisher: Confirming, *, clock: Clock, on_revoke: OnRevoke) -> None:
        self._publisher = publisher
        self._clock = clock
        self._on_revoke = on_revoke
        for kind in MediaKind:  # at 0 from the start, so that increase() sees the first, too
            MEDIA_UPDATES.labels(service=SERVICE, status=MediaStatus.PENDING, kind=kind, code="")

    async def take(self, body: bytes, *, correlation_id: str, received_at: datetime | None = None) -> Receipt:
        """Return when all of it is safe in the broker; raise `PublishFailed` when a confirm is missing.

        `received_at` is when a body came first that is now taken again. A repeat publishes the same events again.
        """
        received_at = received_at or self._clock()
        parsed = self._heeded(parse(body, received_at=received_at))
        # together: the time limit of a confirm is the time limit of the webhook
        confirms = [self._publisher.publish(parsed.events, correlation_id=correlation_id)]
        if parsed.unreadable:
            letter = self._letter(body, parsed.unreadable, correlation_id=correlation_id, received_at=received_at)
            confirms.append(self._publisher.send(UNREADABLE.dead_letters, letter))
        for failure in await asyncio.gather(*confirms, return_exceptions=True):
            if failure is not None:
                raise failure
        for event in parsed.events:
            if isinstance(event, MediaReceived):
                _announce(event)
        if parsed.unreadable:
            log.error(
                "webhook.parked",
                queue=UNREADABLE.dead_letters,
                code=ErrorCode.UNDECODABLE_EVENT,
                reason=_reason(parsed.unreadable),
                next=(
                    f"count them with: make dlq; see the bodies with: attache dlq show {UNREADABLE.name}; "
                    f"after an update that understands them: make dlq-replay QUEUE={UNREADABLE.name}"
                ),
            )
        return _receipt(parsed)

    def _heeded(self, parsed: Parsed) -> Parsed:
        if self._on_revoke == "erase":
            return parsed
        return replace(parsed, events=tuple(e for e in parsed.events if not isinstance(e, MessageRevoked)))

    def _letter(
        self, body: bytes, unreadable: tuple[Unreadable, ...], *, correlation_id: str, received_at: datetime
    ) -> Message:
        numbers = {part.phone_number_id for part in unreadable}
        headers = dead_letter_headers(
            DeadLetter(code=ErrorCode.UNDECODABLE_EVENT, reason=_reason(unreadable)),
            queue=UNREADABLE,
            service=SERVICE,
            attempt=1,
            failed_at=self._clock(),
            phone_number_id=numbers.pop() if len(numbers) == 1 else None,
        )
        return Message(
            body,
            message_id=uuid4().hex,
            correlation_id=correlation_id,
            timestamp=received_at,
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
            headers=dict(headers),
        )


def _reason(unreadable: tuple[Unreadable, ...]) -> str:
    reasons = Counter(part.reason for part in unreadable)
    named = "; ".join(list(reasons)[:_REASONS_NAMED])
    more = len(reasons) - _REASONS_NAMED
    return f"{named}; and {more} more" if more > 0 else named


def _announce(event: MediaReceived) -> None:
    """The line and the count that every service gives for a change of state; the document comes later (revision 1)."""
    log.info(
        "message_media_updated",
        status=MediaStatus.PENDING,
        previousStatus=None,
        revision=0,
        kind=event.kind,
        mediaId=event.media_id,
        messageId=event.message_id,
        phoneNumberId=event.phone_number_id,
    )
    MEDIA_UPDATES.labels(service=SERVICE, status=MediaStatus.PENDING, kind=event.kind, code="").inc()


def _receipt(parsed: Parsed) -> Receipt:
    taken = Taken.ACCEPTED if parsed.events else Taken.IGNORED
    outcome = Taken.PARKED if parsed.unreadable else taken
    return Receipt(outcome=outcome, events=len(parsed.events), unreadable=len(parsed.unreadable), fields=parsed.fields)
