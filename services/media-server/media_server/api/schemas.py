"""The answers of the API as models: what the specification says of them. A test holds real answers against these."""

from typing import Literal

from pydantic import Field

from shared.media import Declared, Direction, Facts, Failure, MediaKind, MediaStatus, Sender
from shared.model import Model, UtcTime


class FileLink(Model):
    """A file and its signed link."""

    url: str = Field(description="path-absolute; opens the file until `expiresAt`, for whoever has it")
    mime_type: str
    size_bytes: int
    expires_at: UtcTime


class OriginalLink(FileLink):
    """The verified bytes that WhatsApp gave."""

    sha256: str


class RenditionLink(FileLink):
    """One derived image."""

    width: int
    height: int


class MessageMedia(Model):
    """The state of the attachment and its files."""

    status: MediaStatus
    revision: int = Field(description="+1 at each change; of two frames or answers the greater is the newer")
    provider_media_id: str | None = None
    attempts: int
    next_attempt_at: UtcTime | None = None
    deadline: UtcTime | None = None
    updated_at: UtcTime
    declared: Declared
    original: OriginalLink | None = Field(default=None, description="absent until stored")
    renditions: dict[str, RenditionLink] = Field(description="by name: `thumb`, `preview`, …")
    facts: Facts
    failure: Failure | None = Field(default=None, description="on `pending`, why the last attempt failed")


class Message(Model):
    """One attachment."""

    id: str
    conversation_id: str
    message_id: str = Field(description="the wamid")
    direction: Direction
    phone_number_id: str
    sender: Sender
    group_id: str | None = None
    kind: MediaKind
    caption: str | None = None
    file_name: str | None = None
    sent_at: UtcTime
    received_at: UtcTime
    media: MessageMedia


class ConversationItem(Model):
    """A conversation in the list."""

    id: str
    phone_number_id: str
    participants: list[Sender]
    group_id: str | None = None
    last_message_at: UtcTime
    message_count: int
    failed_count: int


class MessagePage(Model):
    """Some messages, and where to go on; `nextCursor` is null at the end."""

    items: list[Message]
    next_cursor: str | None


class ConversationPage(Model):
    """Some conversations, and where to go on; `nextCursor` is null at the end."""

    items: list[ConversationItem]
    next_cursor: str | None


class MessageMediaUpdated(Model):
    """A text frame of the WebSocket."""

    type: Literal["message_media_updated"]
    message: Message


class ProblemDetails(Model):
    """Any error (RFC 9457)."""

    code: str = Field(description="for programs")
    title: str
    detail: str = Field(description="for people")
    status: int
    server_time: UtcTime


ANSWERS = (Message, MessagePage, ConversationPage, MessageMediaUpdated, ProblemDetails)
