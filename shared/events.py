"""The facts that services tell each other: the bodies of AMQP messages on the exchange `media.events`.

Readers ignore unknown fields; a breaking change is a new version beside the old, never an edited one. Id, type, time
and correlation ride in AMQP properties (`shared.broker.envelope`).
"""

from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict, Field

from shared.media import Customer, Declared, Direction, MediaKind, Sender
from shared.model import Model, UtcTime


class Event(Model):
    """A fact, in the past tense. `routing_key` and `version` are its name to the broker."""

    routing_key: ClassVar[str]
    version: ClassVar[int] = 1


class Rejection(Model):
    """What Meta said of media it could not deliver (131052, 131060). Beside a media id the download is still tried."""

    provider_code: int
    message: str


class MediaReceived(Event):
    """An attachment was announced, or somebody wants it tried again."""

    routing_key: ClassVar[str] = "media.received"

    media_id: str
    phone_number_id: str
    message_id: str
    provider_media_id: str | None = None
    direction: Direction = Direction.INBOUND
    kind: MediaKind
    sender: Sender = Field(default_factory=Sender)
    customer: Customer = Field(default_factory=Customer)
    group_id: str | None = None
    caption: str | None = None
    file_name: str | None = None
    sent_at: UtcTime
    received_at: UtcTime
    declared: Declared
    rejection: Rejection | None = None


class MediaStored(Event):
    """The original is safe and its digest verified."""

    routing_key: ClassVar[str] = "media.stored"

    media_id: str
    phone_number_id: str
    message_id: str
    conversation_id: str
    sha256: str


class MediaUpdated(Event):
    """A status changed: the message as in the API (`shared.media.public_json`), storage keys in place of links."""

    model_config = ConfigDict(extra="allow")

    routing_key: ClassVar[str] = "media.updated"

    id: str

    @classmethod
    def of(cls, message: dict[str, Any]) -> "MediaUpdated":
        """The event for `public_json` of an attachment."""
        return cls.model_validate(message)


class MediaErased(Event):
    """An attachment and its document are gone for good, because somebody asked for it."""

    routing_key: ClassVar[str] = "media.erased"

    id: str
    conversation_id: str | None = None


class MessageRevoked(Event):
    """A message was deleted by whoever sent it, and its attachments are to go too."""

    routing_key: ClassVar[str] = "message.revoked"

    phone_number_id: str
    message_id: str
    revoked_at: UtcTime


class IdentityChanged(Event):
    """A customer's phone number or user id changed: both belong to one conversation."""

    routing_key: ClassVar[str] = "identity.changed"

    phone_number_id: str
    before: Customer
    after: Customer
    changed_at: UtcTime


class InstanceUpdated(Event):
    """Credentials of a number changed: reload them, try again what failed for the old ones."""

    routing_key: ClassVar[str] = "instance.updated"

    phone_number_id: str
    instance_version: int


E = TypeVar("E", bound=Event)
EVENT_TYPES: tuple[type[Event], ...] = (
    MediaReceived,
    MediaStored,
    MediaUpdated,
    MediaErased,
    MessageRevoked,
    IdentityChanged,
    InstanceUpdated,
)


def type_name(event: Event | type[Event]) -> str:
    """AMQP property `type`: routing key and version, for example `media.stored.v1`."""
    return f"{event.routing_key}.v{event.version}"


def encode(event: Event) -> bytes:
    """The body: JSON, UTF-8."""
    return event.model_dump_json(by_alias=True, exclude_none=True).encode()


def decode(event_type: type[E], body: bytes) -> E:
    """Raise `ValueError` (pydantic's, which names each wrong field) when the body is not this event."""
    return event_type.model_validate_json(body)
