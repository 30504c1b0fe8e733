"""The answers of the API as models: what the specification says of them. A test holds real answers against these."""

from typing import Literal

from pydantic import Field

from media_server.api.body import SHORTEST_TOKEN, AccessToken, Body, OneLine
from shared.errors import ErrorCode
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
    """One derived file."""

    width: int | None = Field(default=None, description="pixels, of a picture")
    height: int | None = Field(default=None, description="pixels, of a picture")


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
    file_name: str | None = Field(
        default=None, description="the sender's, to be shown: without path, control characters and direction marks"
    )
    sent_at: UtcTime
    received_at: UtcTime
    correlation_id: str | None = Field(
        default=None, description="what the log lines of all services about this message have in common"
    )
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


class Refused(Model):
    """Meta refuses the token; nothing is fetched for this number until it heals."""

    code: ErrorCode
    message: str = Field(description="what to do")
    provider_status: int | None = None
    provider_code: int | None = None
    refused_at: UtcTime


class WhatsAppInstance(Model):
    """A business number. Its access token is never shown."""

    phone_number_id: str
    display_name: str
    token_hint: str = Field(description="enough to tell two tokens apart")
    is_default: bool = Field(description="used for every number without an instance")
    version: int = Field(description="another one after each change of the token")
    updated_at: UtcTime
    refused: Refused | None = None


class WhatsAppInstancePage(Model):
    """Some instances, and where to go on; `nextCursor` is null at the end."""

    items: list[WhatsAppInstance]
    next_cursor: str | None


class WhatsAppInstanceInput(Body):
    """What to save; what is left out stays as it is."""

    display_name: OneLine | None = Field(
        default=None, min_length=1, max_length=100, description="one line of 1 to 100 characters (when new: the number)"
    )
    access_token: AccessToken | None = Field(
        default=None,
        description=f"an access token: {SHORTEST_TOKEN} ASCII characters or more, no spaces (required when new)",
    )
    is_default: bool | None = Field(default=None, description="true or false (when new: true for the first one)")


class Verification(Model):
    """Whether Meta takes the stored token."""

    ok: bool
    code: ErrorCode | None = None
    message: str | None = Field(default=None, description="why not, and what to do")


class DeadLetterGroup(Model):
    """Dead letters of one queue that were given up for the same code and number."""

    queue: str
    code: str | None = Field(default=None, description="absent when RabbitMQ itself gave the event up")
    phone_number_id: str | None = None
    count: int
    first_failed_at: UtcTime | None = None
    last_failed_at: UtcTime | None = None
    reason: str | None = Field(default=None, description="of the newest one")


class DeadLetterPage(Model):
    """Some groups, and where to go on; `nextCursor` is null at the end."""

    items: list[DeadLetterGroup]
    next_cursor: str | None


class ReplayInput(Body):
    """Which dead letters are to be worked off once more; each that is given applies, and nothing means all."""

    queue: str | None = Field(default=None, description="the name of a queue, as in `items[].queue`")
    code: ErrorCode | None = Field(
        default=None, strict=False, description=f"one of {', '.join(ErrorCode)}", examples=["provider_auth"]
    )
    phone_number_id: str | None = Field(default=None, description="a phone number id, in quotes")
    limit: int | None = Field(default=None, ge=1, le=1_000_000, description="a whole number from 1 to 1000000")


class DeadLettersReplayed(Model):
    """What became of them."""

    replayed: int
    already_done: int = Field(description="removed: the attachment goes on elsewhere, is done or was erased")
    expired: int = Field(description="left: Meta has deleted the media")
    unclear: int | None = Field(default=None, description="left: the document is broken, or changed all the time")
    remaining: int = Field(description="letters left in the queues that were looked at")


class MessageMediaUpdated(Model):
    """A text frame of the WebSocket."""

    type: Literal["message_media_updated"]
    message: Message


class MessageErased(Model):
    """A text frame of the WebSocket: the message and its files are gone for good."""

    type: Literal["message_erased"]
    id: str


class ProblemDetails(Model):
    """Any error (RFC 9457)."""

    code: str = Field(description="for programs")
    title: str
    detail: str = Field(description="for people")
    status: int
    server_time: UtcTime


ANSWERS = (
    Message,
    MessagePage,
    ConversationPage,
    WhatsAppInstance,
    WhatsAppInstancePage,
    Verification,
    DeadLetterPage,
    DeadLettersReplayed,
    MessageMediaUpdated,
    MessageErased,
    ProblemDetails,
)
REQUESTS = (WhatsAppInstanceInput, ReplayInput)
