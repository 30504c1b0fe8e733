"""The kinds that bring files in other ways than one plain message with one file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from whatsapp_simulator.attachments import Attachment
from whatsapp_simulator.calls import Call
from whatsapp_simulator.contents import Edit, Flow, MediaPlaceholder, Revoke, Text
from whatsapp_simulator.kinds import Composer, MessageKind, Order
from whatsapp_simulator.messages import HISTORY, HistoryChunk, echo
from whatsapp_simulator.outbox import new_message_id
from whatsapp_simulator.parties import Customer
from whatsapp_simulator.updates import Update

if TYPE_CHECKING:
    from whatsapp_simulator.meta import Meta

_AD = {
    "source_url": "https://fb.me/example",
    "source_id": "120000000000000",
    "source_type": "ad",
    "headline": "Pipes",
    "body": "We repair them",
    "media_type": "image",
    "image_url": "https://scontent.fbcdn.net/example.jpg",
    "ctwa_clid": "ARexample",
}


def _flow(meta: Meta, order: Order) -> list[Update]:
    photos = [order.attachment(meta, "photo"), order.attachment(meta, "transparent")]
    files = {"photo_picker": photos, "document_picker": [order.attachment(meta, "pdf")]}
    return [order.message(meta, Flow(files=files))]


def _edit(meta: Meta, order: Order) -> list[Update]:
    original = order.message(meta, order.attachment(meta, "photo"))
    edited = replace(order.attachment(meta, "photo"), caption="edited")
    return [original, order.message(meta, Edit(original_message_id=original.id, content=edited))]


def _revoke(meta: Meta, order: Order) -> list[Update]:
    original = order.message(meta, order.attachment(meta, "photo"))
    return [original, order.message(meta, Revoke(original_message_id=original.id))]


def _echo(meta: Meta, order: Order) -> list[Update]:
    return [echo(order.message(meta, order.attachment(meta, "photo")))]


def _history(meta: Meta, order: Order) -> list[Update]:
    placeholder = order.message(meta, MediaPlaceholder())
    words = order.message(meta, Text(text="long ago"))
    with_hex = _in_hex(meta, order.attachment(meta, "photo"))
    return [
        HistoryChunk(number=order.number, messages=[words, placeholder]),
        replace(placeholder, content=with_hex, field=HISTORY),
    ]


def _call(meta: Meta, order: Order) -> list[Update]:
    call = Call(
        number=order.number,
        id=new_message_id("wacid."),
        timestamp=int(meta.clock.now()),
        customer=order.sender,
        recording=replace(order.attachment(meta, "audio"), bare=True, caption=None),
    )
    return [call]


def _voicemail(meta: Meta, order: Order) -> list[Update]:
    recording = replace(order.attachment(meta, "voice"), bare=True, url=None)
    return [order.message(meta, recording, id=new_message_id("wacid."))]


def _legacy(meta: Meta, order: Order) -> list[Update]:
    old = replace(_in_hex(meta, order.attachment(meta, "voice")), legacy=True)
    return [order.message(meta, old, number_timestamp=True)]


def _in_hex(meta: Meta, file: Attachment) -> Attachment:
    return replace(file, sha256=meta.media_of(file.media_id).sha256)


def _stale_url(meta: Meta, file: Attachment) -> Attachment:
    return replace(file, url=meta.webhook_link(meta.media_of(file.media_id), age_seconds=3600))


def _said(change: Callable[[Meta, Attachment], Attachment]) -> Composer:
    """A photo of which the message says something else."""
    return lambda meta, order: [order.message(meta, change(meta, order.attachment(meta, "photo")))]


def _sent(sample: str, options: Callable[[Order], Mapping[str, Any]]) -> Composer:
    """A file in a message with other keys than usual."""

    def compose(meta: Meta, order: Order) -> Sequence[Update]:
        return [order.message(meta, order.attachment(meta, sample), **options(order))]

    return compose


def _one(words: str, compose: Composer) -> MessageKind:
    return MessageKind(words=words, compose=compose, attachments=1)


def _from(change: Callable[[Customer], Customer]) -> Composer:
    return _sent("photo", lambda order: {"sender": change(order.sender)})


KINDS_WITH_FILES: Mapping[str, MessageKind] = MappingProxyType(
    {
        "flow": MessageKind(words="a Flow reply with three files", compose=_flow, attachments=3),
        "edit": MessageKind(words="a photo, then its edit with a new media id", compose=_edit, attachments=2),
        "revoke": _one("a photo, then its deletion by the user", _revoke),
        "echo": _one("a photo that the business sent from its app", _echo),
        "history": _one("a history with a placeholder, then the placeholder's photo", _history),
        "call": _one("a call with a recording", _call),
        "voicemail": _one("a voicemail: an id `wacid.`, no `voice`, no `url`", _voicemail),
        "group": _one(
            "a photo in a group", _sent("photo", lambda it: {"group_id": it.group_id or "HBgLMTU1NTAxMDAwMDE"})
        ),
        "legacy": _one("type `voice`, a hex digest, a `file` path, a time that is a number", _legacy),
        "no-phone": _one(
            "from somebody without a phone number", _from(lambda it: replace(it, wa_id=None, username="someone.new"))
        ),
        "empty-phone": _one(
            "from somebody whose phone number is empty", _from(lambda it: replace(it, wa_id="", username="someone.new"))
        ),
        "phone-only": _one("from somebody without a user id", _from(lambda it: replace(it, user_id=None))),
        "no-contacts": _one("a photo without `contacts`", _sent("photo", lambda _: {"in_contacts": False})),
        "hex-digest": _one("a photo with a hex digest", _said(_in_hex)),
        "junk-digest": _one("a photo whose digest is no digest", _said(lambda _, it: replace(it, sha256="junk"))),
        "no-digest": _one("a photo without a digest", _said(lambda _, it: replace(it, sha256=None))),
        "url": _one(
            "a photo with its `url`",
            lambda meta, order: [order.message(meta, replace(order, with_url=True).attachment(meta, "photo"))],
        ),
        "stale-url": _one("a photo with a `url` that is dead already", _said(_stale_url)),
        "reply": _one(
            "a PDF that answers a message never seen", _sent("pdf", lambda _: {"context": {"id": new_message_id()}})
        ),
        "forwarded": _one(
            "a video forwarded many times", _sent("video", lambda _: {"context": {"frequently_forwarded": True}})
        ),
        "ad": _one("a photo from somebody who came by an ad", _sent("photo", lambda _: {"referral": _AD})),
    }
)
