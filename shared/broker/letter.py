"""One dead letter, as its reader sees it."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from aio_pika.abc import AbstractIncomingMessage

from shared.broker.envelope import ATTEMPT
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, REVOCATIONS, WorkQueue
from shared.events import Event, IdentityChanged, MediaReceived, MediaStored, MessageRevoked, decode

_EVENT_TYPES: dict[str, type[Event]] = {
    INGEST.name: MediaReceived,
    PREVIEW.name: MediaStored,
    IDENTITIES.name: IdentityChanged,
    REVOCATIONS.name: MessageRevoked,
    REVOCATIONS.name: MessageRevoked,
}


Key = tuple[str, str, str, int]


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What was given up, and why. `failed_at` is when; letters that RabbitMQ buried itself have no reason and no code.

    One event that fails again after a replay is another letter: same `id`, other `failed_at`.
    """

    queue: WorkQueue
    id: str
    body: bytes
    headers: dict[str, Any]
    type: str | None
    correlation_id: str | None
    sent_at: datetime | None
    alike: int = 0
    """How many that are the same in everything were shown before it in the same walk."""

    @classmethod
    def of(cls, queue: WorkQueue, message: AbstractIncomingMessage) -> "Letter":
        """A message of the queue's dead letters. One without an id gets one that its body decides."""
        return cls(
            queue=queue,
            id=message.message_id or _digest(message.body),
            body=message.body,
            headers=dict(message.headers),
            type=message.type,
            correlation_id=message.correlation_id,
            sent_at=_utc(message.timestamp),
        )

    @cached_property
    def key(self) -> Key:
        """Tells letters of one queue apart."""
        return self.id, self._text("x-failed-at") or "", _digest(self.body), self.alike

    @property
    def is_ours(self) -> bool:
        """Whether it has our headers; RabbitMQ buries what exceeded its own delivery limit without them."""
        return "x-error-code" in self.headers

    @property
    def code(self) -> str | None:
        """Why it was given up, as `failure.code`."""
        return self._text("x-error-code")

    @property
    def reason(self) -> str | None:
        """The same for people."""
        return self._text("x-reason")

    @property
    def phone_number_id(self) -> str | None:
        """The business number that it is about, when that is known."""
        return self._text("x-phone-number-id") or _text_of(self.event, "phone_number_id")

    @property
    def media_id(self) -> str | None:
        """Our `m…` id, when it is about one attachment."""
        return _text_of(self.event, "media_id")

    @property
    def wamid(self) -> str | None:
        """WhatsApp's id of the message, when it is about one."""
        return _text_of(self.event, "message_id")

    @property
    def attempt(self) -> int:
        """How often it was tried before it was given up."""
        value = self.headers.get(ATTEMPT)
        return value if isinstance(value, int) and not isinstance(value, bool) else 1

    @cached_property
    def failed_at(self) -> datetime | None:
        """When it was given up; of a letter that does not say so, when it was sent."""
        try:
            return _utc(datetime.fromisoformat(self._text("x-failed-at") or "")) or self.sent_at
        except ValueError:
            return self.sent_at

    @cached_property
    def event(self) -> Event | None:
        """The event in it; None when it cannot be read, and for the raw bodies of webhooks."""
        event_type = _EVENT_TYPES.get(self.queue.name)
        if event_type is None:
            return None
        try:
            return decode(event_type, self.body)
        except ValueError:
            return None

    def names(self, wanted: str) -> bool:
        """Whether `wanted` is its id, our id of its attachment, or the wamid."""
        return wanted in {self.id, self.media_id, self.wamid}

    def _text(self, header: str) -> str | None:
        value = self.headers.get(header)
        return None if value is None else str(value)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _text_of(event: Event | None, name: str) -> str | None:
    value = getattr(event, name, None)
    return value if isinstance(value, str) else None


def _utc(moment: datetime | None) -> datetime | None:
    """In UTC; None also for a moment that the zone puts before the first year or after the last."""
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return None
