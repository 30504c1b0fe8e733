"""Which names cover which event."""

from collections.abc import Iterable

import pytest

from shared.media import Customer, Sender
from shared.repository.erased_names import covering, of_alias, of_conversation, of_media, of_message, of_sender
from tests.builders import NUMBER, make_media_received


def covered(names: Iterable[str], customer: Customer, sender: Sender | None = None, **fields: object) -> bool:
    said = sender if sender is not None else Sender(wa_id=customer.wa_id, user_id=customer.user_id)
    event = make_media_received(customer=customer, sender=said, **fields)
    return not set(names).isdisjoint(covering(event))


P, U, V = "15550102030", "US.1", "US.2"


@pytest.mark.parametrize(
    ("known_by", "customer", "is_covered"),
    [
        (["wa:" + P], Customer(wa_id=P), True),
        (["wa:" + P], Customer(wa_id=P, user_id=U), True),  # nobody knew of the user id then
        (["wa:" + P], Customer(user_id=U), False),
        (["user:" + U, "wa:" + P], Customer(wa_id=P), True),
        (["user:" + U, "wa:" + P], Customer(wa_id=P, user_id=U), True),
        (["user:" + U, "wa:" + P], Customer(wa_id=P, user_id=V), False),  # a recycled number: somebody else
        (["user:" + U], Customer(wa_id=P), False),
        (["parent:X"], Customer(wa_id=P, parent_user_id="X"), True),
        (["unknown"], Customer(), True),
        (["unknown"], Customer(wa_id=P), False),
    ],
)
def test_a_conversation_covers_what_would_come_into_it(
    known_by: list[str], customer: Customer, is_covered: bool
) -> None:
    assert covered(of_conversation(NUMBER, known_by), customer) is is_covered
    assert not covered(of_conversation("another number", known_by), customer)


def test_a_conversation_does_not_cover_groups_nor_a_group_its_members() -> None:
    assert not covered(of_conversation(NUMBER, ["wa:" + P]), Customer(wa_id=P), group_id="g")
    assert covered(of_conversation(NUMBER, ["group:g"]), Customer(wa_id=P), group_id="g")
    assert not covered(of_conversation(NUMBER, ["group:g"]), Customer(wa_id=P))


def test_a_sender_is_covered_on_all_numbers_in_groups_and_as_who_was_written_to() -> None:
    names = [*of_sender(["wa:" + P])]
    business = Sender(wa_id="15550100000")

    assert covered(names, Customer(wa_id=P), phone_number_id="another")
    assert covered(names, Customer(wa_id=P, user_id=V))  # asked for by this very number
    assert covered(names, Customer(), Sender(wa_id=P), group_id="g")
    assert covered(names, Customer(wa_id=P), business)
    assert not covered(names, Customer(wa_id=P), business, group_id="g")


def test_an_alias_of_a_sender_covers_a_phone_number_only_where_it_was_theirs() -> None:
    names = [*of_alias(["user:" + U, "wa:" + P])]

    assert covered(names, Customer(wa_id=P))
    assert covered(names, Customer(user_id=U))
    assert not covered(names, Customer(wa_id=P, user_id=V))


def test_an_attachment_and_a_message_are_covered_whoever_sent_them() -> None:
    event = make_media_received()

    assert of_media(event.media_id) in covering(event)
    assert of_message(event.phone_number_id, event.message_id) in covering(event)
