"""Events and documents of which a test names only what matters to it."""

from datetime import UTC, datetime
from typing import Any

from shared.errors import ErrorCode
from shared.events import MediaReceived, MediaStored
from shared.ids import media_id
from shared.media import (
    Attachment,
    Customer,
    Declared,
    Direction,
    Failure,
    FailureStage,
    Media,
    MediaKind,
    MediaStatus,
    Original,
    Rendition,
    Sender,
    Storage,
)

NUMBER = "106540352242922"
WA_ID = "15550102030"
WAMID = "wamid.HBgLMTU1NTAxMDIwMzAVAgASGBQzQTE2"
SHA256 = "1274fc170770be8c3348dedc6b8ca6e3ff04f944fce866c1a96bc422ba635106"
NOW = datetime(2026, 9, 21, 10, 0, tzinfo=UTC)
"""The moment at which every built event was sent and received."""


def make_media_received(**fields: Any) -> MediaReceived:
    """A customer's JPEG. The media id follows from the message and its provider media id unless it is given."""
    message: dict[str, Any] = {
        "phone_number_id": NUMBER,
        "message_id": WAMID,
        "provider_media_id": "700000000000001",
        "kind": MediaKind.IMAGE,
        "sender": Sender(wa_id=WA_ID, name="Ada"),
        "customer": Customer(wa_id=WA_ID),
        "sent_at": NOW,
        "received_at": NOW,
        "declared": Declared(mime_type="image/jpeg"),
    } | fields
    message.setdefault(
        "media_id",
        media_id(
            phone_number_id=message["phone_number_id"],
            message_id=message["message_id"],
            provider_media_id=message["provider_media_id"],
        ),
    )
    return MediaReceived(**message)


def make_original(**fields: Any) -> Original:
    """A stored JPEG."""
    original: dict[str, Any] = {
        "key": f"incoming/{SHA256[:2]}/{SHA256}.jpg",
        "mime_type": "image/jpeg",
        "size_bytes": 10,
        "sha256": SHA256,
    }
    return Original(**original | fields)


def make_rendition(**fields: Any) -> Rendition:
    """A stored thumbnail."""
    rendition: dict[str, Any] = {
        "key": f"renditions/{SHA256[:2]}/{SHA256}/thumb-1.webp",
        "mime_type": "image/webp",
        "width": 320,
        "height": 240,
        "size_bytes": 5,
    }
    return Rendition(**rendition | fields)


def make_failure(**fields: Any) -> Failure:
    """Meta was away while the original was fetched."""
    failure: dict[str, Any] = {
        "stage": FailureStage.INGEST,
        "code": ErrorCode.PROVIDER_UNAVAILABLE,
        "message": "Meta has a passing problem (HTTP 503)",
        "provider_status": 503,
        "at": NOW,
    }
    return Failure(**failure | fields)


def make_media(**fields: Any) -> Media:
    """The pipeline's part of a document: pending, its first attempt under way."""
    media: dict[str, Any] = {
        "status": MediaStatus.PENDING,
        "revision": 1,
        "provider_media_id": "700000000000001",
        "attempts": 1,
        "updated_at": NOW,
        "declared": Declared(mime_type="image/jpeg"),
    }
    return Media(**media | fields)


def make_attachment(*, media: Media | None = None, **fields: Any) -> Attachment:
    """The document of a customer's JPEG."""
    attachment: dict[str, Any] = {
        "id": "mexample",
        "conversation_id": "cexample",
        "message_id": WAMID,
        "direction": Direction.INBOUND,
        "phone_number_id": NUMBER,
        "sender": Sender(wa_id=WA_ID, name="Ada"),
        "kind": MediaKind.IMAGE,
        "sent_at": NOW,
        "received_at": NOW,
        "media": media or make_media(),
    }
    return Attachment(**attachment | fields)


def make_stored(**fields: Any) -> Attachment:
    """The same with its original in the store."""
    return make_attachment(
        media=make_media(status=MediaStatus.STORED, storage=Storage(original=make_original())), **fields
    )


def make_media_stored(attachment: Attachment) -> MediaStored:
    """What the ingestor says of a document that has its original."""
    original = attachment.media.storage.original
    assert original is not None
    return MediaStored(
        media_id=attachment.id,
        phone_number_id=attachment.phone_number_id,
        message_id=attachment.message_id,
        conversation_id=attachment.conversation_id,
        sha256=original.sha256,
    )
