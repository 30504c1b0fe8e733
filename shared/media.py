"""One attachment: its states, the legal moves between them, and its document in the collection `messages`."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import Field

from shared.errors import ErrorCode
from shared.model import Model, UtcTime


class MediaStatus(StrEnum):
    """`media.status`, as people read it in the database, the API, logs and metrics."""

    PENDING = "pending"  # announced; the original is not stored yet
    STORED = "stored"  # original stored and its digest verified; renditions are being made
    READY = "ready"  # every rendition this kind of file has exists
    SKIPPED = "skipped"  # larger than the limit; deliberately not downloaded
    FAILED = "failed"  # given up; `failure` says at which stage and why


NEXT: Mapping[MediaStatus, frozenset[MediaStatus]] = {
    # to itself: another attempt begins, or one failed and waits for the next
    MediaStatus.PENDING: frozenset(
        {MediaStatus.PENDING, MediaStatus.STORED, MediaStatus.SKIPPED, MediaStatus.FAILED},
    ),
    # to itself: the preview is tried again
    MediaStatus.STORED: frozenset({MediaStatus.STORED, MediaStatus.READY, MediaStatus.FAILED, MediaStatus.PENDING}),
    MediaStatus.READY: frozenset({MediaStatus.STORED, MediaStatus.PENDING}),  # rebuilt; original found missing
    MediaStatus.SKIPPED: frozenset({MediaStatus.PENDING}),  # somebody asks for a retry
    # retried, the stage decides; to itself: Meta has deleted it while it waited for credentials
    MediaStatus.FAILED: frozenset({MediaStatus.PENDING, MediaStatus.STORED, MediaStatus.FAILED}),
}

FINAL = frozenset({MediaStatus.READY, MediaStatus.SKIPPED, MediaStatus.FAILED})


class MediaKind(StrEnum):
    """What the operator sees. A voice note is `voice`, an audio file `audio`."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    DOCUMENT = "document"
    STICKER = "sticker"


class Direction(StrEnum):
    """Who sent it: the customer or the business."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class FailureStage(StrEnum):
    """Where it failed. After `preview` the original is still served."""

    INGEST = "ingest"
    PREVIEW = "preview"


class Sender(Model):
    """Who sent the message. Every part is optional since user names hide phone numbers (Meta, 2026)."""

    wa_id: str | None = None
    user_id: str | None = None
    name: str | None = None
    username: str | None = None


class Customer(Model):
    """Whose conversation it is: the identities Meta gave, each optional."""

    wa_id: str | None = None
    user_id: str | None = None
    parent_user_id: str | None = None


class Declared(Model):
    """What Meta said about the file. `sha256` is lowercase hex, or absent when the digest was junk."""

    mime_type: str
    sha256: str | None = None
    size_bytes: int | None = None


class Original(Model):
    """The verified bytes WhatsApp gave us. `mime_type` is the shown type."""

    key: str
    mime_type: str
    size_bytes: int
    sha256: str


class Rendition(Model):
    """One derived file. Only a picture has `width` and `height`, in pixels."""

    key: str
    mime_type: str
    width: int | None = None
    height: int | None = None
    size_bytes: int


class Storage(Model):
    """Where the bytes are."""

    original: Original | None = None
    renditions: dict[str, Rendition] = Field(default_factory=dict)


class Facts(Model):
    """What decoding the file told; what does not apply or could not be told is absent.

    `width` and `height` are pixels as people see them, after turning. `playable`: whether the browsers of operators
    play the original. `label`: what people call a file that has no picture. `thumbhash` is base64.
    """

    width: int | None = None
    height: int | None = None
    animated: bool | None = None
    duration_seconds: float | None = None
    playable: bool | None = None
    pages: int | None = None
    label: str | None = None
    thumbhash: str | None = None


class Failure(Model):
    """Why it failed; on a `pending` document, why the last attempt did."""

    stage: FailureStage
    code: ErrorCode
    message: str
    provider_status: int | None = None
    provider_code: int | None = None
    instance_version: int | None = None
    at: UtcTime


class Media(Model):
    """The pipeline's part of the document; fields as in the contract."""

    status: MediaStatus
    revision: int
    provider_media_id: str | None = None
    attempts: int = 0
    next_attempt_at: UtcTime | None = None
    wake_at: UtcTime | None = None
    deadline: UtcTime | None = None
    updated_at: UtcTime
    declared: Declared
    storage: Storage = Field(default_factory=Storage)
    facts: Facts = Field(default_factory=Facts)
    failure: Failure | None = None


class Attachment(Model):
    """The document of one attachment (`_id` is `id` here)."""

    id: str = Field(alias="_id")
    conversation_id: str
    message_id: str
    direction: Direction
    phone_number_id: str
    sender: Sender = Field(default_factory=Sender)
    group_id: str | None = None
    kind: MediaKind
    caption: str | None = None
    file_name: str | None = None
    sent_at: UtcTime
    received_at: UtcTime
    correlation_id: str | None = None
    """Of the webhook that announced it: what sets it going again by itself goes on under it."""
    media: Media


def public_json(attachment: Attachment) -> dict[str, Any]:
    """The message as the API shows it, with each file's storage `key` where the API puts a signed link.

    This is the body of `media.updated`; the media-server swaps each `key` for `url` and `expiresAt`.
    """
    message = attachment.to_json()
    message["id"] = message.pop("_id")
    media = message["media"]
    media.pop("wakeAt", None)
    storage = media.pop("storage")
    if original := storage.get("original"):
        media["original"] = original
    media["renditions"] = storage["renditions"]
    return message
