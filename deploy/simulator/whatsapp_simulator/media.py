"""The media that Meta holds, for as long as it holds it, and the links to it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum

from whatsapp_simulator.attachments import Kind
from whatsapp_simulator.clock import Clock
from whatsapp_simulator.content import Content
from whatsapp_simulator.parties import BusinessNumber

MEDIA_LIFETIME_SECONDS = 7 * 24 * 3600
UPLOAD_LIFETIME_SECONDS = 30 * 24 * 3600
LINK_LIFETIME_SECONDS = 300
PUBLIC = "cdn"
"""The source of links that need no token, as redirects to another host have them."""


class SizeForm(StrEnum):
    """How metadata states `file_size`: a number on the wire, text in Meta's examples, and it may be missing."""

    INTEGER = "integer"
    TEXT = "text"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Media:
    """One uploaded file with its media id."""

    id: str
    number: BusinessNumber
    kind: Kind
    mime_type: str
    content: Content
    added_at: float
    filename: str | None = None
    animated: bool = False
    size_form: SizeForm = SizeForm.INTEGER
    lifetime_seconds: float = MEDIA_LIFETIME_SECONDS

    @property
    def sha256(self) -> str:
        """Of the right bytes, in lowercase hex."""
        return self.content.digest.hex()


def new_media_id() -> str:
    """Digits, as Meta's are; treat them as opaque."""
    return str(10**14 + secrets.randbelow(9 * 10**14))


class MediaShelf:
    """All media by id. What is deleted or past its lifetime (of customers' media: seven days) is not found."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._media: dict[str, Media] = {}

    def add(self, media: Media) -> None:
        self._media[media.id] = media

    def find(self, media_id: str) -> Media | None:
        """The media, while Meta keeps it."""
        media = self._media.get(media_id)
        if media is None or self._clock.now() >= media.added_at + media.lifetime_seconds:
            return None
        return media

    def held(self, media_id: str) -> Media:
        """The media, past its time or not; KeyError when there is none."""
        return self._media[media_id]

    def delete(self, media_id: str) -> None:
        """Forget it; deleting nothing is fine."""
        self._media.pop(media_id, None)

    def all(self) -> tuple[Media, ...]:
        """What is on the shelf, past its time or not, oldest first."""
        return tuple(self._media.values())


@dataclass(frozen=True, kw_only=True)
class Links:
    """Media links: made without keeping a list, and dead after five minutes of the simulator's clock."""

    clock: Clock
    key: bytes

    def path(self, media_id: str, *, source: str, expires_at: int) -> str:
        """Path and query of a link as Meta forms it."""
        return (
            f"/whatsapp_business/attachments/?mid={media_id}&source={source}"
            f"&ext={expires_at}&hash={self._seal(media_id, source, str(expires_at))}"
        )

    def is_alive(self, media_id: str, source: str, expires_at: str, seal: str) -> bool:
        """Whether we made this link, unchanged, and its time has not come."""
        # The seal is looked at first: what we sealed is a number.
        right = hmac.compare_digest(seal.encode(), self._seal(media_id, source, expires_at).encode())
        return right and self.clock.now() < int(expires_at)

    def _seal(self, media_id: str, source: str, expires_at: str) -> str:
        text = f"{media_id}\n{source}\n{expires_at}".encode()
        return "AR" + hmac.new(self.key, text, hashlib.sha256).hexdigest()[:32]
