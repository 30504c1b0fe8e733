"""Under which names something was erased: pure. The tombstones keep each only as an HMAC.

A name says what it covers. A conversation is named by each identity that led to it, a person likewise for all numbers,
an attachment by our id, a message by its wamid.

A phone number has two names: in a message that names no user id (`wa:…`), and in one that does (`wa:…+user`). When the
conversation that is erased belongs to a user id, only the first is its own: numbers are recycled, and a message of
another user id under the same number is somebody else's (`shared.repository.ties`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.events import Event, IdentityChanged, MediaReceived, MediaStored, MessageRevoked
from shared.media import Customer
from shared.repository.conversations import NOBODY, WA, identities
from shared.repository.lineages import USER

_BESIDE_A_USER = "+user"


def of_media(media_id: str) -> str:
    """One attachment, by our id."""
    return f"media:{media_id}"


def of_message(phone_number_id: str, message_id: str) -> str:
    """All attachments of one message."""
    return f"message:{phone_number_id}:{message_id}"


def of_request(kind: str, value: str) -> str:
    """What somebody asked to have erased, so that asking again is not taken for a mistake."""
    return f"request:{kind}:{value}"


def of_conversation(phone_number_id: str, known_by: Iterable[str]) -> Iterator[str]:
    """A conversation, by all identities that lead to it."""
    for name in _owned([*known_by]):
        yield f"{phone_number_id}:{name}"


def of_sender(known_by: Iterable[str]) -> Iterator[str]:
    """A person on all numbers, by the identities (`wa:…`, `user:…`, `parent:…`) that somebody asked for."""
    for name in known_by:
        for each in (name, name + _BESIDE_A_USER) if name.startswith(WA) else (name,):
            yield f"sender:{each}"


def of_alias(known_by: Iterable[str]) -> Iterator[str]:
    """The same for identities of that person that nobody asked for, and that may have had another owner."""
    for name in _owned([*known_by]):
        yield f"sender:{name}"


def covering_event(event: Event | None) -> tuple[Sequence[str], datetime | None]:
    """Every name under which what an event is about may have been erased, and when that was sent (None: whenever)."""
    if isinstance(event, MediaReceived):
        return [*covering(event)], event.sent_at
    if isinstance(event, IdentityChanged):
        return [*covering_change(event)], event.changed_at
    if isinstance(event, MediaStored):
        return [of_media(event.media_id), of_message(event.phone_number_id, event.message_id)], None
    if isinstance(event, MessageRevoked):
        return [of_message(event.phone_number_id, event.message_id)], None
    return [], None


def covering(event: MediaReceived) -> Iterator[str]:
    """Every name under which this attachment may have been erased."""
    yield of_media(event.media_id)
    yield of_message(event.phone_number_id, event.message_id)
    yield from _of_customer(event.phone_number_id, event.customer, event.group_id)
    sender = Customer(wa_id=event.sender.wa_id, user_id=event.sender.user_id)
    yield from (f"sender:{name}" for name in _said(sender, None))


def covering_participant(participant: Mapping[str, Any]) -> Iterator[str]:
    """Every name under which somebody who stands among the participants of a group may have been erased."""
    wa_id, user_id = (participant.get(field) for field in ("waId", "userId"))
    person = Customer(
        wa_id=wa_id if isinstance(wa_id, str) else None, user_id=user_id if isinstance(user_id, str) else None
    )
    yield from (f"sender:{name}" for name in _said(person, None))


def covering_change(event: IdentityChanged) -> Iterator[str]:
    """Every name under which a customer whose identity changed may have been erased."""
    for customer in (event.before, event.after):
        if customer != Customer():
            yield from _of_customer(event.phone_number_id, customer, None)


def _of_customer(phone_number_id: str, customer: Customer, group_id: str | None) -> Iterator[str]:
    for name in _said(customer, group_id) or NOBODY:
        yield f"{phone_number_id}:{name}"
    if not group_id:  # in a group it may be anybody of it
        yield from (f"sender:{name}" for name in _said(customer, None))


def _said(customer: Customer, group_id: str | None) -> list[str]:
    beside_a_user = customer.user_id is not None
    return [
        name + _BESIDE_A_USER if beside_a_user and name.startswith(WA) else name
        for name in identities(customer, group_id)
    ]


def _owned(known_by: list[str]) -> Iterator[str]:
    belongs_to_a_user = any(name.startswith(USER) for name in known_by)
    for name in known_by:
        yield name
        if name.startswith(WA) and not belongs_to_a_user:
            yield name + _BESIDE_A_USER
