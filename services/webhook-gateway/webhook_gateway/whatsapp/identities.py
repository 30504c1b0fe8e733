"""System messages that say: this customer is now known under another number or user id."""

from datetime import datetime

from shared.events import IdentityChanged
from shared.media import Customer
from webhook_gateway.whatsapp.people import customer_of, known
from webhook_gateway.whatsapp.reading import Node, identifier, moment, node, phone

# as Meta's pages of different years name it
_NEW_NUMBER = ("user_changed_number", "customer_changed_number")
_NEW_USER_ID = "user_changed_user_id"


def identity_change(message: Node, *, phone_number_id: str, received_at: datetime) -> IdentityChanged | None:
    """The change, when both the old and the new identity are named."""
    system = node(message.get("system"))
    sender = customer_of(message, "from")
    if system.get("type") in _NEW_NUMBER:
        # the message comes from the old number
        old_number = phone(system.get("customer")) or sender.wa_id
        new_number = phone(system.get("wa_id")) or phone(system.get("new_wa_id"))
        old_user, new_user = sender.user_id, None
    elif system.get("type") == _NEW_USER_ID:
        old_number, new_number = None, phone(system.get("wa_id")) or sender.wa_id
        old_user, new_user = None, sender.user_id
    else:
        return None
    before = Customer(
        wa_id=old_number,
        user_id=identifier(system.get("previous_user_id")) or old_user,
        parent_user_id=identifier(system.get("previous_parent_user_id")),
    )
    after = Customer(
        wa_id=new_number,
        user_id=identifier(system.get("user_id")) or new_user,
        parent_user_id=identifier(system.get("parent_user_id")),
    )
    if not known(before) or not known(after) or before == after:
        return None
    return IdentityChanged(
        phone_number_id=phone_number_id,
        before=before,
        after=after,
        changed_at=moment(message.get("timestamp"), otherwise=received_at),
    )
