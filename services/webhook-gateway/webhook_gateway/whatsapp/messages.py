"""From one message to the events it causes."""

import hashlib
import json
from collections.abc import Iterator

from shared.events import Event, MediaReceived, Rejection
from shared.ids import media_id
from shared.media import Customer, Declared
from webhook_gateway.whatsapp.attachments import UNKNOWN_TYPE, Announced, Unclear, attachments_of, content_of
from webhook_gateway.whatsapp.change import Change, Parties, Source
from webhook_gateway.whatsapp.identities import identity_change
from webhook_gateway.whatsapp.reading import Node, identifier, listed, moment
from webhook_gateway.whatsapp.rejections import rejected_kind, rejection_in
from webhook_gateway.whatsapp.revocations import revocation


def events_of(
    message: Node, change: Change, source: Source, *, thread: Customer, otherwise: Rejection | None, alone: bool
) -> Iterator[Event | Unclear]:
    """The events of a message, and what in it carries media but cannot be understood.

    `thread` is whose conversation it stands in when it does not say itself. `otherwise` is the error of the whole
    change: it explains an attachment that is missing without an error of its own, or is that of the message that
    stands `alone`.
    """
    content = content_of(message)
    found = list(attachments_of(content))
    announced = [attachment for attachment in found if isinstance(attachment, Announced)]
    unclear = [attachment for attachment in found if isinstance(attachment, Unclear)]
    rejection = rejection_in(message.get("errors")) or rejection_in(content.get("errors"))
    if rejection is None and (unclear or _unexplained(message) or (alone and announced)):
        rejection = otherwise
    if announced:  # also beside an error, which is told: the download is tried all the same
        yield from unclear
        for attachment in announced:
            yield _received(message, content, change, source, thread, announced=attachment, rejection=rejection)
    elif rejection is not None:
        yield _received(message, content, change, source, thread, rejection=rejection)
    else:
        yield from unclear
        yield from _said_of_others(message, change)


def missing_attachment(value: Node, change: Change, rejection: Rejection) -> Event | Unclear:
    """An error without a message: still an attachment that somebody sent and nobody will get.

    Its id comes from the content, so that a repeated webhook finds the same document.
    """
    try:
        content = json.dumps(value, sort_keys=True).encode()
    except RecursionError:
        return Unclear(reason="error without a message, nested too deeply")
    message: Node = {"id": f"unnamed.{hashlib.sha256(content).hexdigest()[:32]}"}
    return _received(message, message, change, Source.MESSAGES, Customer(), rejection=rejection)


def _received(
    message: Node,
    content: Node,
    change: Change,
    source: Source,
    thread: Customer,
    *,
    announced: Announced | None = None,
    rejection: Rejection | None,
) -> Event | Unclear:
    message_id = identifier(message.get("id")) or identifier(message.get("call_id"))
    if message_id is None:
        return Unclear(reason="attachment of a message without an id")
    if change.phone_number_id is None:
        return Unclear(reason="attachment without a phone_number_id")
    provider_media_id = announced.provider_media_id if announced else None
    parties = Parties.of(message, change, source, thread=thread)
    return MediaReceived(
        media_id=media_id(
            phone_number_id=change.phone_number_id, message_id=message_id, provider_media_id=provider_media_id
        ),
        phone_number_id=change.phone_number_id,
        message_id=message_id,
        provider_media_id=provider_media_id,
        direction=parties.direction,
        kind=announced.kind if announced else rejected_kind(content),
        sender=parties.sender,
        customer=parties.customer,
        group_id=identifier(message.get("group_id")),
        caption=announced.caption if announced else None,
        file_name=announced.file_name if announced else None,
        sent_at=moment(message.get("timestamp"), otherwise=change.received_at),
        received_at=change.received_at,
        declared=announced.declared if announced else Declared(mime_type=UNKNOWN_TYPE),
        rejection=rejection,
    )


def _unexplained(message: Node) -> bool:
    return message.get("type") in ("unsupported", "unknown") and not listed(message.get("errors"))


def _said_of_others(message: Node, change: Change) -> Iterator[Event]:
    """What a message without an attachment says of a customer, or of an earlier message."""
    if change.phone_number_id is None:
        return
    changed = identity_change(message, phone_number_id=change.phone_number_id, received_at=change.received_at)
    if changed is not None:
        yield changed
    revoked = revocation(message, phone_number_id=change.phone_number_id, received_at=change.received_at)
    if revoked is not None:
        yield revoked
