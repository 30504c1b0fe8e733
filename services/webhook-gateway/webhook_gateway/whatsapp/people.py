"""The customers that a webhook names."""

import re
from collections.abc import Iterator
from typing import Any

from shared.media import Customer, Sender
from webhook_gateway.whatsapp.reading import Node, identifier, node, nodes, phone, text

_NAME_CHARACTERS = 256
_USER_ID = re.compile(r"[A-Z]{2}\..+")  # country code, dot, letters and digits


def customer_of(message: Node, prefix: str) -> Customer:
    """The identities under `from…` or `to…`. An empty string means unknown, like a missing key (Meta, 2026)."""
    return Customer(
        wa_id=phone(message.get(prefix)),
        user_id=identifier(message.get(f"{prefix}_user_id")),
        parent_user_id=identifier(message.get(f"{prefix}_parent_user_id")),
    )


def customer_known_as(identity: Any) -> Customer:
    """The customer under an identity that may be a phone number or a user id."""
    name = phone(identity)
    if name is not None and _USER_ID.fullmatch(name):
        return Customer(user_id=name)
    return Customer(wa_id=name)


def known(customer: Customer) -> bool:
    """Whether any identity is given."""
    return customer != Customer()


class Contacts:
    """`value.contacts[]`, matched to messages by identity and never by position."""

    def __init__(self, value: Any) -> None:
        self._contacts: list[tuple[Customer, Node]] = []
        self._by_identity: dict[tuple[str, str], tuple[Customer, Node]] = {}
        for contact in nodes(value):
            customer = Customer(
                wa_id=phone(contact.get("wa_id")),
                user_id=identifier(contact.get("user_id")),
                parent_user_id=identifier(contact.get("parent_user_id")),
            )
            named = (customer, node(contact.get("profile")))
            self._contacts.append(named)
            for identity in _identities(customer):
                self._by_identity.setdefault(identity, named)

    def completed(self, customer: Customer) -> Customer:
        """The same customer with the identities that only the contact names."""
        contact, _ = self._contact(customer)
        return Customer(
            wa_id=customer.wa_id or contact.wa_id,
            user_id=customer.user_id or contact.user_id,
            parent_user_id=customer.parent_user_id or contact.parent_user_id,
        )

    def sender(self, customer: Customer) -> Sender:
        """The same customer as a person to show."""
        contact, profile = self._contact(customer)
        return Sender(
            wa_id=customer.wa_id or contact.wa_id,
            user_id=customer.user_id or contact.user_id,
            name=text(profile.get("name"), limit=_NAME_CHARACTERS),
            username=text(profile.get("username"), limit=_NAME_CHARACTERS),
        )

    def only(self) -> Customer:
        """The customer when a single contact is named, else nobody."""
        return self._contacts[0][0] if len(self._contacts) == 1 else Customer()

    def _contact(self, customer: Customer) -> tuple[Customer, Node]:
        for identity in _identities(customer):
            if identity in self._by_identity:
                return self._by_identity[identity]
        return Customer(), {}


def _identities(customer: Customer) -> Iterator[tuple[str, str]]:
    # the user id first: a phone number may have had another owner
    for key in ("user_id", "wa_id", "parent_user_id"):
        if (identity := getattr(customer, key)) is not None:
            yield key, identity
