"""Media objects: what a message says of its file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from whatsapp_simulator.encoding import present


class Kind(StrEnum):
    """What the user sent. A voice note travels as type `audio` with `voice: true`."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    DOCUMENT = "document"
    STICKER = "sticker"


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A media object. `sha256` is the text as sent, right or wrong.

    `legacy` gives the on-premises API's shape: type `voice` for voice notes, and a `file` path.
    `bare` leaves out the keys of its kind (`voice`, `animated`), as voicemail does.
    """

    kind: Kind
    media_id: str
    mime_type: str
    sha256: str | None
    caption: str | None = None
    filename: str | None = None
    animated: bool = False
    url: str | None = None
    legacy: bool = False
    bare: bool = False

    @property
    def type(self) -> str:
        return "audio" if self.kind is Kind.VOICE and not self.legacy else self.kind.value

    def body(self) -> dict[str, object]:
        own: dict[str, object] = {}
        if self.type == "audio":
            own["voice"] = self.kind is Kind.VOICE
        if self.kind is Kind.STICKER:
            own["animated"] = self.animated
        file = f"/usr/local/wamedia/shared/{self.media_id}" if self.legacy else None
        return (
            present(caption=self.caption, filename=self.filename, mime_type=self.mime_type, sha256=self.sha256)
            | {"id": self.media_id}
            | ({} if self.bare else own)
            | present(url=self.url, file=file)
        )

    def as_flow_file(self) -> dict[str, object]:
        """An entry of the arrays in a Flow's `response_json`."""
        file_name = self.filename or f"{self.media_id}.{self.mime_type.partition('/')[2]}"
        return {"file_name": file_name, "mime_type": self.mime_type} | present(sha256=self.sha256, id=self.media_id)
