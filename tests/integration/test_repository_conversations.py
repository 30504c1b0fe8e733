"""Which conversation an attachment belongs to, however Meta names the customer (product.md, "The document")."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from shared.media import Customer, MediaStatus, Sender
from shared.repository.conversations import ConversationRepository, Resolved
from shared.repository.listing import Listing
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from tests.builders import NOW, NUMBER, WA_ID, make_attachment, make_media

USER = "US.1234567890"
PHONE = Customer(wa_id=WA_ID)
BY_USER = Customer(user_id=USER)
BOTH = Customer(wa_id=WA_ID, user_id=USER)


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    yield client[mongodb_database]
    client.close()


@pytest.fixture
def conversations(database: Database) -> ConversationRepository:
    return ConversationRepository(database)


async def resolve(
    conversations: ConversationRepository,
    customer: Customer,
    *,
    number: str = NUMBER,
    group: str | None = None,
    sent_at: datetime = NOW,
) -> Resolved:
    return await conversations.resolve(phone_number_id=number, customer=customer, group_id=group, sent_at=sent_at)


async def id_of(conversations: ConversationRepository, customer: Customer, **where: Any) -> str:
    return (await resolve(conversations, customer, **where)).conversation_id


async def test_the_same_customer_stays_in_one_conversation(conversations: ConversationRepository) -> None:
    assert await id_of(conversations, PHONE) == await id_of(conversations, PHONE)
    assert await id_of(conversations, BOTH) == await id_of(conversations, BY_USER)


async def test_other_customers_and_other_numbers_have_their_own(conversations: ConversationRepository) -> None:
    ids = [
        await id_of(conversations, PHONE),
        await id_of(conversations, Customer(wa_id="15550100000")),
        await id_of(conversations, PHONE, number="2"),
    ]

    assert len(set(ids)) == 3


async def test_a_phone_number_and_a_user_id_of_the_same_digits_are_two(conversations: ConversationRepository) -> None:
    assert await id_of(conversations, Customer(wa_id="1")) != await id_of(conversations, Customer(user_id="1"))


async def test_a_user_id_that_comes_later_joins_the_phone(conversations: ConversationRepository) -> None:
    by_phone = await id_of(conversations, PHONE)

    both = await resolve(conversations, BOTH)

    assert both == Resolved(conversation_id=by_phone)
    assert await id_of(conversations, BY_USER) == by_phone


async def test_a_parent_user_id_is_an_identity_too(conversations: ConversationRepository) -> None:
    first = await id_of(conversations, Customer(user_id=USER, parent_user_id="US.ENT.1"))

    assert await id_of(conversations, Customer(parent_user_id="US.ENT.1")) == first


async def test_two_that_turn_out_to_be_one_go_on_as_the_older(
    conversations: ConversationRepository, database: Database
) -> None:
    older = await id_of(conversations, PHONE)
    await database["conversations"].update_one({"_id": older}, {"$set": {"createdAt": NOW - timedelta(days=1)}})
    younger = await id_of(conversations, BY_USER)

    tied = await resolve(conversations, BOTH)

    assert (tied.conversation_id, list(tied.merged)) == (older, [younger])
    for customer in (PHONE, BY_USER, BOTH):
        assert await id_of(conversations, customer) == older
    assert await conversations.surviving(younger) == older
    assert await conversations.surviving(older) == older
    assert await conversations.surviving("cnever") == "cnever"


async def test_a_merge_that_was_cut_off_is_told_again(
    conversations: ConversationRepository, database: Database
) -> None:
    """Whoever dies between the merge and the moving of the documents leaves it to the next one."""
    older = await id_of(conversations, PHONE)
    await database["conversations"].update_one({"_id": older}, {"$set": {"createdAt": NOW - timedelta(days=1)}})
    younger = await id_of(conversations, BY_USER)
    await resolve(conversations, BOTH)

    assert list((await resolve(conversations, BOTH)).merged) == [younger]
    renamed = await conversations.renamed(phone_number_id=NUMBER, before=PHONE, after=BY_USER)
    assert renamed is not None
    assert list(renamed.merged) == [younger]


async def test_a_recycled_phone_number_begins_a_conversation_of_its_new_owner(
    conversations: ConversationRepository,
) -> None:
    old_owner = await id_of(conversations, BOTH)

    new_owner = await resolve(conversations, Customer(wa_id=WA_ID, user_id="US.new"))

    assert new_owner.conversation_id != old_owner
    assert list(new_owner.merged) == []
    assert await id_of(conversations, PHONE) == new_owner.conversation_id
    assert await id_of(conversations, BY_USER) == old_owner


async def test_a_recycled_phone_number_moves_to_the_conversation_of_its_new_owner(
    conversations: ConversationRepository,
) -> None:
    old_owner = await id_of(conversations, BOTH)
    new_owner = await id_of(conversations, Customer(user_id="US.new"))

    tied = await resolve(conversations, Customer(wa_id=WA_ID, user_id="US.new"))

    assert tied == Resolved(conversation_id=new_owner)
    assert await id_of(conversations, PHONE) == new_owner
    assert await id_of(conversations, BY_USER) == old_owner


@pytest.mark.parametrize("customers", [[PHONE], [BOTH], [PHONE, BOTH], [PHONE, BY_USER, BOTH]])
async def test_a_new_customer_has_one_conversation_however_many_webhooks_come_at_once(
    customers: Sequence[Customer], conversations: ConversationRepository, database: Database
) -> None:
    await asyncio.gather(*(resolve(conversations, customer) for customer in [*customers] * 8))

    known = {await id_of(conversations, customer) for customer in [*customers, BOTH]}
    assert len(known | {await id_of(conversations, customer) for customer in customers}) <= 2
    goes_on = await id_of(conversations, BOTH)
    assert {await id_of(conversations, customer) for customer in customers} == {goes_on}
    alive = await database["conversations"].count_documents({"mergedInto": {"$exists": False}})
    assert alive == 1


async def test_a_group_is_one_conversation_whoever_writes(conversations: ConversationRepository) -> None:
    group = await id_of(conversations, PHONE, group="g1")

    assert await id_of(conversations, BY_USER, group="g1") == group
    assert await id_of(conversations, PHONE, group="g2") != group
    assert await id_of(conversations, PHONE) != group


async def test_messages_that_name_nobody_are_kept_together(conversations: ConversationRepository) -> None:
    assert await id_of(conversations, Customer()) == await id_of(conversations, Customer())


async def test_a_new_phone_number_of_a_customer_leads_to_the_same_conversation(
    conversations: ConversationRepository,
) -> None:
    before = await id_of(conversations, PHONE)

    renamed = await conversations.renamed(
        phone_number_id=NUMBER, before=PHONE, after=Customer(wa_id="15550109999", user_id="US.new")
    )

    assert renamed == Resolved(conversation_id=before)
    assert await id_of(conversations, Customer(wa_id="15550109999")) == before
    assert await id_of(conversations, Customer(user_id="US.new")) == before


async def test_a_new_user_id_of_a_customer_is_not_somebody_else(conversations: ConversationRepository) -> None:
    before = await id_of(conversations, BOTH)

    await conversations.renamed(phone_number_id=NUMBER, before=BY_USER, after=Customer(user_id="US.new"))

    assert await id_of(conversations, Customer(user_id="US.new")) == before
    assert await id_of(conversations, BY_USER) == before


async def test_a_change_of_somebody_whose_messages_are_still_on_the_way_is_kept_and_not_shown(
    conversations: ConversationRepository, database: Database
) -> None:
    kept = await conversations.renamed(phone_number_id=NUMBER, before=PHONE, after=BY_USER)

    assert (await Listing(database).conversations(limit=10)).items == []
    assert kept is not None
    assert await id_of(conversations, PHONE) == await id_of(conversations, BY_USER) == kept.conversation_id
    await conversations.seen(kept.conversation_id, sender=Sender(wa_id=WA_ID), sent_at=NOW)
    (listed,) = (await Listing(database).conversations(limit=10)).items
    assert (listed.id, listed.last_message_at) == (kept.conversation_id, NOW)


async def test_a_change_that_names_nobody_is_nothing(conversations: ConversationRepository) -> None:
    assert await conversations.renamed(phone_number_id=NUMBER, before=Customer(), after=Customer()) is None


async def test_a_new_phone_number_that_somebody_else_had_moves_and_nobody_is_merged(
    conversations: ConversationRepository,
) -> None:
    stranger = await id_of(conversations, Customer(wa_id="15550109999", user_id="US.stranger"))
    customer = await id_of(conversations, BOTH)

    await conversations.renamed(phone_number_id=NUMBER, before=BOTH, after=Customer(wa_id="15550109999"))

    assert await id_of(conversations, Customer(wa_id="15550109999")) == customer
    assert await id_of(conversations, Customer(user_id="US.stranger")) == stranger


async def test_an_old_phone_number_stays_with_whoever_has_it_since(conversations: ConversationRepository) -> None:
    since = await id_of(conversations, Customer(wa_id=WA_ID, user_id="US.since"))

    await conversations.renamed(phone_number_id=NUMBER, before=BOTH, after=Customer(wa_id="15550109999"))

    assert await id_of(conversations, PHONE) == since
    assert await id_of(conversations, BY_USER) == await id_of(conversations, Customer(wa_id="15550109999")) != since


async def test_names_that_two_people_left_behind_do_not_get_in_each_others_way(
    conversations: ConversationRepository,
) -> None:
    """A merged conversation may lose its last name; several of them may, on one number."""
    for phone in ("1", "2"):
        await id_of(conversations, Customer(wa_id=phone))
        await id_of(conversations, Customer(user_id=f"US.{phone}"))
        await id_of(conversations, Customer(wa_id=phone, user_id=f"US.{phone}"))

    new_owner = [await id_of(conversations, Customer(wa_id=phone, user_id="US.new")) for phone in ("1", "2")]

    assert len(set(new_owner)) == 1


async def test_what_people_saw_of_a_merged_conversation_goes_along(
    conversations: ConversationRepository, database: Database
) -> None:
    first, second = await id_of(conversations, PHONE), await id_of(conversations, BY_USER)
    later = NOW + timedelta(minutes=5)
    await conversations.seen(first, sender=Sender(wa_id=WA_ID, name="Ada"), sent_at=NOW)
    await conversations.seen(second, sender=Sender(user_id=USER, username="ada.l"), sent_at=later)

    await conversations.renamed(phone_number_id=NUMBER, before=PHONE, after=BY_USER)
    await conversations.seen(second, sender=Sender(name="$name"), sent_at=NOW)

    (listed,) = (await Listing(database).conversations(limit=10)).items
    assert listed.last_message_at == later
    assert {person.name or person.username for person in listed.participants} == {"Ada", "ada.l", "$name"}


@pytest.mark.parametrize("into", ["cgone", "itself"])
async def test_a_conversation_that_was_linked_by_hand_to_nowhere_is_used_again(
    into: str, conversations: ConversationRepository, database: Database
) -> None:
    conversation = await id_of(conversations, PHONE)
    target = conversation if into == "itself" else into
    await database["conversations"].update_one({"_id": conversation}, {"$set": {"mergedInto": target}})

    assert await id_of(conversations, PHONE) == conversation
    assert await conversations.surviving(conversation) == conversation


async def test_who_took_part_is_kept_once_and_newest(conversations: ConversationRepository, database: Database) -> None:
    conversation = await id_of(conversations, PHONE)
    later = NOW + timedelta(minutes=1)

    await conversations.seen(conversation, sender=Sender(wa_id=WA_ID, name="Ada"), sent_at=later)
    await conversations.seen(conversation, sender=Sender(wa_id=WA_ID, user_id=USER, name="Ada L."), sent_at=NOW)
    await conversations.seen(conversation, sender=Sender(name="$name"), sent_at=NOW)
    await conversations.seen(conversation, sender=Sender(), sent_at=NOW)

    (listed,) = (await Listing(database).conversations(limit=10)).items
    assert listed.participants == [Sender(wa_id=WA_ID, user_id=USER, name="Ada L."), Sender(name="$name")]
    assert listed.last_message_at == later


@pytest.mark.parametrize("text", ["$phoneNumberId", "$$ROOT", "$"])
async def test_a_user_id_is_never_read_as_an_expression(
    text: str, conversations: ConversationRepository, database: Database
) -> None:
    conversation = await id_of(conversations, Customer(user_id=text))
    for _ in range(2):
        await conversations.seen(conversation, sender=Sender(user_id=text, name=text), sent_at=NOW)

    (listed,) = (await Listing(database).conversations(limit=10)).items
    assert listed.participants == [Sender(user_id=text, name=text)]


async def test_conversations_are_listed_newest_first_with_their_counts(
    conversations: ConversationRepository, database: Database
) -> None:
    messages = MessageRepository(database)
    older = await id_of(conversations, PHONE, sent_at=NOW)
    newer = await id_of(conversations, Customer(wa_id="2"), sent_at=NOW + timedelta(minutes=1))
    group = await id_of(conversations, Customer(), group="g1", sent_at=NOW - timedelta(minutes=1))
    for name, status in (("m1", MediaStatus.FAILED), ("m2", MediaStatus.READY), ("m3", MediaStatus.FAILED)):
        await messages.insert(make_attachment(id=name, conversation_id=older, media=make_media(status=status)))
    listing = Listing(database)

    first = await listing.conversations(limit=2)
    second = await listing.conversations(limit=2, cursor=first.next_cursor)

    assert [(c.id, c.message_count, c.failed_count) for c in first.items] == [(newer, 0, 0), (older, 3, 2)]
    assert [(c.id, c.group_id) for c in second.items] == [(group, "g1")]
    assert second.next_cursor is None


async def test_merged_conversations_are_not_listed_but_known(
    conversations: ConversationRepository, database: Database
) -> None:
    first, second = await id_of(conversations, PHONE), await id_of(conversations, BY_USER)
    goes_on = await id_of(conversations, BOTH)

    listed = [conversation.id for conversation in (await Listing(database).conversations(limit=10)).items]

    assert listed == [goes_on]
    for conversation in (first, second):
        assert await Listing(database).conversation_exists(conversation)
    assert not await Listing(database).conversation_exists("cnever")


async def test_who_was_merged_goes_along_when_its_conversation_is_merged(
    conversations: ConversationRepository, database: Database
) -> None:
    names = [PHONE, BY_USER, Customer(parent_user_id="US.ENT.1")]
    ids = [await id_of(conversations, customer) for customer in names]
    for days, conversation in enumerate(ids):
        await database["conversations"].update_one(
            {"_id": conversation}, {"$set": {"createdAt": NOW - timedelta(days=days)}}
        )
    youngest, middle, oldest = ids

    await resolve(conversations, BOTH)
    tied = await resolve(conversations, Customer(user_id=USER, parent_user_id="US.ENT.1"))

    assert tied.conversation_id == oldest
    assert set(tied.merged) == {youngest, middle}
    assert await id_of(conversations, PHONE) == oldest
