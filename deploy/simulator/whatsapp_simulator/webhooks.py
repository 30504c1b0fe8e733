"""Webhook payloads as Meta builds them, from plain data. Pure: no clock, no network, no randomness.

Optional keys are left out unless given, as Meta does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby


class Kind(StrEnum):
    """What the user sent. A voice note travels as type `audio` with `voice: true`."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    VOICE = "voice"
    DOCUMENT = "document"
    STICKER = "sticker"


@dataclass(frozen=True, kw_only=True)
class BusinessNumber:
    """One number of the business: the addressee of every webhook."""

    phone_number_id: str
    display_phone_number: str = "15550100001"
    waba_id: str = "100200300400500"


@dataclass(frozen=True, kw_only=True)
class Customer:
    """Who writes. Since 2026 any of it may be missing, the phone number (`wa_id`) too."""

    name: str | None = None
    username: str | None = None
    wa_id: str | None = None
    user_id: str | None = None

    def contact(self) -> dict[str, object]:
        profile = _present(name=self.name, username=self.username)
        return _present(profile=profile or None, wa_id=self.wa_id, user_id=self.user_id)


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A media object: what a message says of its file. `sha256` is the text as sent, right or wrong."""

    kind: Kind
    media_id: str
    mime_type: str
    sha256: str | None
    caption: str | None = None
    filename: str | None = None
    animated: bool = False
    url: str | None = None

    @property
    def type(self) -> str:
        return "audio" if self.kind is Kind.VOICE else self.kind.value

    def body(self) -> dict[str, object]:
        own: dict[str, object] = {}
        if self.type == "audio":
            own["voice"] = self.kind is Kind.VOICE
        if self.kind is Kind.STICKER:
            own["animated"] = self.animated
        return (
            _present(caption=self.caption, filename=self.filename, mime_type=self.mime_type, sha256=self.sha256)
            | {"id": self.media_id}
            | own
            | _present(url=self.url)
        )


@dataclass(frozen=True, kw_only=True)
class Text:
    """A plain text message: no media."""

    text: str
    type: str = "text"

    def body(self) -> dict[str, object]:
        return {"body": self.text}


@dataclass(frozen=True, kw_only=True)
class Message:
    """One entry of `messages[]`."""

    number: BusinessNumber
    id: str
    timestamp: int
    sender: Customer
    content: Attachment | Text
    group_id: str | None = None
    context: Mapping[str, object] | None = None

    def as_json(self) -> dict[str, object]:
        sender = {"from": self.sender.wa_id} if self.sender.wa_id is not None else {}
        return (
            sender
            | _present(from_user_id=self.sender.user_id, group_id=self.group_id)
            | {"id": self.id, "timestamp": str(self.timestamp), "type": self.content.type}
            | _present(context=self.context)
            | {self.content.type: self.content.body()}
        )


@dataclass(frozen=True, kw_only=True)
class Status:
    """One entry of `statuses[]`: what became of a message that the business sent."""

    number: BusinessNumber
    id: str
    timestamp: int
    status: str
    recipient_id: str | None = None

    def as_json(self) -> dict[str, object]:
        return {"id": self.id, "status": self.status, "timestamp": str(self.timestamp)} | _present(
            recipient_id=self.recipient_id
        )


Update = Message | Status


def envelope(updates: Sequence[Update]) -> dict[str, object]:
    """The body of one POST: an entry for each run of updates of one WABA, in it a change for each run of one number."""
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": waba_id,
                "changes": [
                    {"field": "messages", "value": _value(number, list(run))}
                    for number, run in groupby(of_waba, key=lambda update: update.number)
                ],
            }
            for waba_id, of_waba in groupby(updates, key=lambda update: update.number.waba_id)
        ],
    }


def _value(number: BusinessNumber, updates: Sequence[Update]) -> dict[str, object]:
    messages = [update for update in updates if isinstance(update, Message)]
    statuses = [update for update in updates if isinstance(update, Status)]
    contacts = [sender.contact() for sender in dict.fromkeys(message.sender for message in messages)]
    return {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.display_phone_number,
            "phone_number_id": number.phone_number_id,
        },
    } | _present(
        contacts=[contact for contact in contacts if contact] or None,
        messages=[message.as_json() for message in messages] or None,
        statuses=[status.as_json() for status in statuses] or None,
    )


def _present(**values: object) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}
