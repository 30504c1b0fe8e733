"""What stands around a message: the number it came to, the people it names, the list it was found in."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.media import Customer, Direction, Sender
from webhook_gateway.whatsapp.people import Contacts, customer_of, known
from webhook_gateway.whatsapp.reading import Node, identifier, node, phone


class Source(StrEnum):
    """The list in which a message stood: it decides who is the business and who the customer."""

    MESSAGES = "messages"  # from a customer
    ECHOES = "message_echoes"  # sent by the business in its own app
    HISTORY = "history"  # both ways, from before the number came to the Cloud API
    CALLS = "calls"  # recordings; both ways


@dataclass(frozen=True, kw_only=True)
class Change:
    """What the value of a change says about every message in it."""

    phone_number_id: str | None
    business_number: str | None
    contacts: Contacts
    received_at: datetime

    @classmethod
    def of(cls, value: Node, *, received_at: datetime) -> "Change":
        """Each part is optional: account-type fields have none of them."""
        metadata = node(value.get("metadata"))
        return cls(
            phone_number_id=identifier(metadata.get("phone_number_id")),
            business_number=phone(metadata.get("display_phone_number")),
            contacts=Contacts(value.get("contacts")),
            received_at=received_at,
        )


@dataclass(frozen=True, kw_only=True)
class Parties:
    """Who sent a message, and whose conversation it belongs to."""

    direction: Direction
    sender: Sender
    customer: Customer

    @classmethod
    def of(cls, message: Node, change: Change, source: Source, *, thread: Customer) -> "Parties":
        """`thread` is whose conversation it is when the message itself does not say; else a lone contact does."""
        contacts = change.contacts
        author = customer_of(message, "from")
        unnamed = thread if known(thread) else contacts.only()
        if _is_outbound(message, author, change, source, thread=thread):
            addressee = customer_of(message, "to")
            return cls(
                direction=Direction.OUTBOUND,
                sender=contacts.sender(author),
                customer=contacts.completed(addressee if known(addressee) else unnamed),
            )
        customer = author if known(author) else unnamed
        return cls(
            direction=Direction.INBOUND,
            sender=contacts.sender(customer),
            customer=contacts.completed(customer),
        )


def _is_outbound(message: Node, author: Customer, change: Change, source: Source, *, thread: Customer) -> bool:
    if source is Source.HISTORY:
        from_business = author.wa_id is not None and author.wa_id == change.business_number
        # two people write in a thread: who is not the customer is the business, however its number is written
        not_the_customer = None not in (author.wa_id, thread.wa_id) and author.wa_id != thread.wa_id
        return from_business or not_the_customer or known(customer_of(message, "to"))
    if source is Source.CALLS:
        return message.get("direction") == "BUSINESS_INITIATED"
    return source is Source.ECHOES
