"""What rides in AMQP properties and headers rather than in the body."""

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage, HeadersType

from shared.events import Event, encode, type_name

ATTEMPT = "x-attempt"
RESUMED = "x-resumed"
UNTOLD = "x-untold"
REPLAYED = "x-replayed"
DELIVERY_COUNT = "x-delivery-count"


def event_message(event: Event, *, correlation_id: str, attempt: int = 1) -> Message:
    """The message that says `event`; persistent, typed, dated."""
    return Message(
        encode(event),
        type=type_name(event),
        message_id=uuid4().hex,
        correlation_id=correlation_id,
        timestamp=datetime.now(UTC),
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        headers={ATTEMPT: attempt},
    )


def copy_of(
    message: AbstractIncomingMessage,
    *,
    headers: Mapping[str, str | int | bool],
    expiration_seconds: float | None = None,
) -> Message:
    """The same event once more, under its own id and correlation. `x-death*` headers are never carried on."""
    kept: HeadersType = dict(headers)
    return Message(
        message.body,
        type=message.type,
        message_id=message.message_id or uuid4().hex,
        correlation_id=message.correlation_id,
        timestamp=message.timestamp,
        content_type=message.content_type or "application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        expiration=expiration_seconds,
        headers=kept,
    )


def whole_number(message: AbstractIncomingMessage, header: str, *, default: int) -> int:
    """A header's number; whatever else stands there counts as absent."""
    value = message.headers.get(header)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
