"""Messages that say: an earlier message was deleted by whoever sent it, customer or business."""

from datetime import datetime

from shared.events import MessageRevoked
from webhook_gateway.whatsapp.reading import Node, identifier, moment, node


def revocation(message: Node, *, phone_number_id: str, received_at: datetime) -> MessageRevoked | None:
    """The deletion, when it names the message; the object counts more than `type`."""
    message_id = identifier(node(message.get("revoke")).get("original_message_id"))
    if message_id is None:
        return None
    return MessageRevoked(
        phone_number_id=phone_number_id,
        message_id=message_id,
        revoked_at=moment(message.get("timestamp"), otherwise=received_at),
    )
