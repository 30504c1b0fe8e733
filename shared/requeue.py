"""The events that set a document going again, built from the document: for a retry, and for one that got lost."""

from shared.events import MediaReceived, MediaStored, Rejection
from shared.media import Attachment, Customer, Direction


def received_again(attachment: Attachment) -> MediaReceived:
    """The announcement once more.

    The document is found by its id, so the customer only matters if it is gone. What Meta rejected is told from the
    failure while the document still has it.
    """
    media, sender = attachment.media, attachment.sender
    inbound = attachment.direction is Direction.INBOUND
    failure = media.failure
    rejection = (
        Rejection(provider_code=failure.provider_code, message=failure.message)
        if media.provider_media_id is None and failure is not None and failure.provider_code is not None
        else None
    )
    return MediaReceived(
        media_id=attachment.id,
        phone_number_id=attachment.phone_number_id,
        message_id=attachment.message_id,
        provider_media_id=media.provider_media_id,
        direction=attachment.direction,
        kind=attachment.kind,
        sender=sender,
        customer=Customer(wa_id=sender.wa_id, user_id=sender.user_id) if inbound else Customer(),
        group_id=attachment.group_id,
        caption=attachment.caption,
        file_name=attachment.file_name,
        sent_at=attachment.sent_at,
        received_at=attachment.received_at,
        declared=media.declared,
        rejection=rejection,
    )


def stored_again(attachment: Attachment) -> MediaStored:
    """The original is safe; only for a document that has one."""
    original = attachment.media.storage.original
    if original is None:
        msg = "there is no original to make previews of"
        raise ValueError(msg)
    return MediaStored(
        media_id=attachment.id,
        phone_number_id=attachment.phone_number_id,
        message_id=attachment.message_id,
        conversation_id=attachment.conversation_id,
        sha256=original.sha256,
    )
