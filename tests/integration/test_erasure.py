"""What was erased is gone, and nothing brings it back: not a repeat, not a late webhook, not an attempt under way."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ingestor.identities import IdentityHandler
from shared.broker.consumer import Delivery
from shared.broker.publisher import Publisher
from shared.broker.retry import RetryPolicy, Settled
from shared.erase import Erased, Eraser
from shared.errors import PermanentError
from shared.events import IdentityChanged, MediaReceived
from shared.media import Customer, Direction, Sender
from shared.moves import ingest_again
from shared.release import Release
from shared.repository.conversations import ConversationRepository, Resolved
from shared.repository.erased_names import of_message as names_of_message
from shared.repository.erasure import ErasureRepository, Target, of_message
from shared.repository.messages import MessageRepository
from shared.requeue import received_again
from tests import images
from tests.ingestors import PHOTO, World, photo, running_world

PHONE, USER = "15550102030", "US.1234"
OTHER_PHONE, OTHER_USER = "15550109999", "US.9876"
AN_HOUR = timedelta(hours=1)


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(
        mongodb_uri=mongodb_uri, mongodb_database=mongodb_database, broker_url=broker_url, folder=tmp_path / "uploads"
    ) as world:
        yield world


@pytest.fixture
def erasure(world: World) -> ErasureRepository:
    return ErasureRepository(world.database)


def sent(
    world: World,
    wa_id: str | None = None,
    user_id: str | None = None,
    *,
    content: bytes = PHOTO,
    group_id: str | None = None,
    ago: timedelta = AN_HOUR,
    **fields: Any,
) -> MediaReceived:
    """A photo that this customer sent an hour ago."""
    fields = {"sender": Sender(wa_id=wa_id, user_id=user_id, name="Ada")} | fields
    return world.announced(
        photo(world, content=content),
        customer=Customer(wa_id=wa_id, user_id=user_id),
        group_id=group_id,
        sent_at=world.clock() - ago,
        received_at=world.clock() - ago,
        **fields,
    )


def eraser(world: World) -> Eraser:
    return Eraser(
        database=world.database,
        tombstones=world.tombstones,
        release=Release(database=world.database, store=world.store, clock=world.clock),
        publisher=Publisher(world.broker),
        clock=world.clock,
    )


async def erase(world: World, target: Target | None) -> Erased:
    assert target is not None
    return await eraser(world).erase(target)


async def left(world: World) -> set[str]:
    return {document["_id"] async for document in world.database["messages"].find()}


async def everybody(world: World) -> list[dict[str, Any]]:
    return await world.database["conversations"].find().to_list(None)


async def holds_nothing(world: World) -> bool:
    return not world.files() and not await left(world) and not await everybody(world)


async def test_a_conversation_goes_with_its_documents_files_and_names(world: World, erasure: ErasureRepository) -> None:
    events = [sent(world, PHONE), sent(world, PHONE, content=images.jpeg(20, 20))]
    for event in events:
        await world.deliver(event)
    erased_events = await world.outside.bound_to("media.erased")
    conversation = (await world.document(events[0])).conversation_id

    erased = await erase(world, await erasure.conversation(conversation))

    assert erased == Erased(documents=2, files=2, files_shared=0, files_left=0, conversations=1)
    assert await holds_nothing(world)
    told = {(await world.outside.take(erased_events)).body for _ in events}
    assert told == {f'{{"id":"{event.media_id}","conversationId":"{conversation}"}}'.encode() for event in events}


async def test_nothing_brings_it_back_and_what_is_sent_later_is_taken(world: World, erasure: ErasureRepository) -> None:
    event = sent(world, PHONE)
    await world.deliver(event)
    document = await world.document(event)
    await erase(world, await erasure.conversation(document.conversation_id))

    for again in (event, received_again(document), sent(world, PHONE, ago=timedelta(minutes=5))):
        assert await world.deliver(again) == []
        assert await world.deliver(again, redelivered=True) == []
        assert await world.deliver(again, attempt=2) == []
    assert await holds_nothing(world)

    later = sent(world, PHONE, ago=timedelta())
    await world.deliver(later)

    assert await left(world) == {later.media_id}
    (conversation,) = await everybody(world)
    assert conversation["_id"] == (await world.document(later)).conversation_id != document.conversation_id


async def test_all_names_of_merged_conversations_are_erased(world: World, erasure: ErasureRepository) -> None:
    by_phone, by_user, both = sent(world, PHONE), sent(world, user_id=USER), sent(world, PHONE, USER)
    for event in (by_phone, by_user, both):
        await world.deliver(event)
    younger = next(each["_id"] for each in await everybody(world) if each.get("mergedInto"))

    erased = await erase(world, await erasure.conversation(younger))

    assert (erased.documents, erased.conversations) == (3, 1)
    assert await holds_nothing(world)
    for late in (sent(world, PHONE), sent(world, user_id=USER), sent(world, PHONE, USER)):
        assert await world.deliver(late) == []
    assert await holds_nothing(world)


async def test_a_recycled_phone_number_does_not_erase_its_earlier_owner(
    world: World, erasure: ErasureRepository
) -> None:
    earlier, later = sent(world, PHONE, OTHER_USER), sent(world, PHONE, USER)
    for event in (earlier, later):
        await world.deliver(event)

    await erase(world, await erasure.conversation((await world.document(later)).conversation_id))

    late = sent(world, PHONE, OTHER_USER)
    await world.deliver(late)
    assert await world.deliver(received_again(await world.document(earlier)), redelivered=True) != []
    assert await left(world) == {earlier.media_id, late.media_id}
    assert await world.deliver(sent(world, PHONE, USER)) == []


@pytest.mark.parametrize("asked", [{"phone": PHONE}, {"user_id": USER}])
async def test_a_sender_goes_everywhere_and_others_stay(
    world: World, erasure: ErasureRepository, asked: dict[str, str]
) -> None:
    mine = [
        sent(world, PHONE, USER),
        sent(world, PHONE, USER, phone_number_id="200300400500888"),
        sent(world, PHONE, USER, group_id="group"),
        sent(world, user_id=USER, group_id="group"),
        sent(world, PHONE, USER, direction=Direction.OUTBOUND, sender=Sender(wa_id="15550100000")),
    ]
    others = [sent(world, OTHER_PHONE, OTHER_USER, group_id="group"), sent(world, OTHER_PHONE, OTHER_USER)]
    for event in (*mine, *others):
        await world.deliver(event)

    erased = await erase(world, await erasure.sender(**asked))

    assert (erased.documents, erased.files, erased.files_shared) == (5, 0, 1)
    assert await left(world) == {event.media_id for event in others}
    participants = [person for each in await everybody(world) for person in each["participants"]]
    assert {person["userId"] for person in participants} == {OTHER_USER}
    for late in (*mine, sent(world, PHONE, group_id="another"), sent(world, user_id=USER, phone_number_id="3")):
        assert await world.deliver(late) == []
    assert await left(world) == {event.media_id for event in others}


async def test_a_group_with_nobody_else_goes(world: World, erasure: ErasureRepository) -> None:
    await world.deliver(sent(world, PHONE, group_id="group"))

    erased = await erase(world, await erasure.sender(phone=PHONE))

    assert erased.conversations == 1
    assert await holds_nothing(world)


async def test_one_attachment_by_our_id_and_a_whole_message_by_its_wamid(
    world: World, erasure: ErasureRepository
) -> None:
    one, two, three = (sent(world, PHONE, message_id="wamid.three", content=images.jpeg(9, n + 9)) for n in range(3))
    for event in (one, two, three):
        await world.deliver(event)

    assert (await erase(world, await erasure.attachment(one.media_id))).documents == 1
    assert await left(world) == {two.media_id, three.media_id}
    assert await world.deliver(one) == []

    assert (await erase(world, await erasure.attachment("wamid.three"))).documents == 2
    assert await holds_nothing(world)
    assert await world.deliver(sent(world, PHONE, message_id="wamid.three")) == []


async def test_a_file_that_another_document_has_stays(world: World, erasure: ErasureRepository) -> None:
    mine, theirs = sent(world, PHONE), sent(world, OTHER_PHONE)
    for event in (mine, theirs):
        await world.deliver(event)

    erased = await erase(world, await erasure.attachment(mine.media_id))

    assert (erased.files, erased.files_shared) == (0, 1)
    assert world.files() == [(await world.document(theirs)).media.storage.original.key]  # type: ignore[union-attr]


async def test_what_nobody_knows_cannot_be_erased(erasure: ErasureRepository) -> None:
    assert await erasure.conversation("cnobody") is None
    assert await erasure.attachment("wamid.nobody") is None


async def test_an_attempt_under_way_keeps_nothing(
    world: World, erasure: ErasureRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document goes while the bytes are on their way."""
    event = sent(world, PHONE)
    fetcher = world.handler._fetcher
    downloaded = fetcher.downloaded

    async def erased_meanwhile(current: Any) -> Any:
        original = await downloaded(current)
        await erase(world, await erasure.conversation(current.conversation_id))
        return original

    monkeypatch.setattr(fetcher, "downloaded", erased_meanwhile)

    assert await world.deliver(event) == []
    assert await holds_nothing(world)


async def test_an_attempt_that_fails_after_the_erasure_leaves_no_dead_letter(
    world: World, erasure: ErasureRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = sent(world, PHONE)

    async def erased_meanwhile(current: Any) -> Any:
        await erase(world, await erasure.conversation(current.conversation_id))
        raise PermanentError("Meta says no")

    monkeypatch.setattr(world.handler._fetcher, "downloaded", erased_meanwhile)

    assert await world.deliver(event) == Settled()
    assert await holds_nothing(world)


async def test_an_attempt_that_was_cut_off_before_its_document_leaves_no_bytes(
    world: World, erasure: ErasureRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document goes while it is downloaded; killed when the bytes are there; the event is delivered again."""
    event = sent(world, PHONE)
    downloaded = world.handler._fetcher.downloaded

    async def erased_meanwhile(current: Any) -> Any:
        await erase(world, await erasure.conversation(current.conversation_id))
        return await downloaded(current)

    async def killed(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(world.handler._fetcher, "downloaded", erased_meanwhile)
        patched.setattr(world.handler, "_stored", killed)
        with pytest.raises(KeyboardInterrupt):
            await world.deliver(event)
    assert world.files() != []

    assert await world.deliver(event, redelivered=True) == []

    assert await holds_nothing(world)


async def test_an_insert_that_overtakes_the_tombstone_is_taken_back(
    world: World, erasure: ErasureRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ingestor has looked for tombstones, the eraser lays them and finds no document, then comes the insert."""
    event = sent(world, PHONE)
    insert = MessageRepository.insert

    async def late(self: MessageRepository, document: Any) -> Any:
        await erase(world, await erasure.sender(phone=PHONE))
        return await insert(self, document)

    monkeypatch.setattr(MessageRepository, "insert", late)

    assert await world.deliver(event) == []
    assert await holds_nothing(world)


async def test_whoever_is_erased_while_they_come_into_a_group_is_not_shown_in_it(
    world: World, erasure: ErasureRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mine = sent(world, OTHER_PHONE, group_id="group"), sent(world, PHONE, group_id="group")
    await world.deliver(theirs)
    seen = ConversationRepository.seen

    async def late(self: ConversationRepository, *args: Any, **kwargs: Any) -> None:
        await erase(world, await erasure.sender(phone=PHONE))
        await seen(self, *args, **kwargs)

    monkeypatch.setattr(ConversationRepository, "seen", late)

    assert await world.deliver(mine) == []
    (group,) = await everybody(world)
    assert [person["waId"] for person in group["participants"]] == [OTHER_PHONE]


async def test_a_message_sent_after_the_erasure_gets_its_conversation_back(
    world: World, erasure: ErasureRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its conversation is found, then erased as it is empty, then comes the insert."""
    before, after = sent(world, PHONE), sent(world, PHONE, ago=timedelta())
    await world.deliver(before)
    insert = MessageRepository.insert

    async def late(self: MessageRepository, document: Any) -> Any:
        await erase(world, await erasure.sender(phone=PHONE))
        return await insert(self, document)

    monkeypatch.setattr(MessageRepository, "insert", late)

    await world.deliver(after)

    assert await left(world) == {after.media_id}
    (conversation,) = await everybody(world)
    assert (await world.document(after)).conversation_id == conversation["_id"]
    assert conversation["participants"] == [{"waId": PHONE, "name": "Ada"}]


async def test_an_identity_that_changed_before_the_erasure_brings_no_conversation_back(
    world: World, erasure: ErasureRepository
) -> None:
    event = sent(world, PHONE)
    await world.deliver(event)
    await erase(world, await erasure.sender(phone=PHONE))
    handler = IdentityHandler(
        conversations=ConversationRepository(world.database),
        messages=world.messages,
        announcer=world.announcer,
        tombstones=world.tombstones,
        eraser=eraser(world),
        policy=RetryPolicy(delays=(5,)),
        clock=world.clock,
    )
    change = IdentityChanged(
        phone_number_id=event.phone_number_id,
        before=Customer(wa_id=PHONE),
        after=Customer(wa_id=OTHER_PHONE),
        changed_at=event.sent_at,
    )

    await handler.handle(change, Delivery(attempt=1, redelivered=False, correlation_id="abc"))

    assert await holds_nothing(world)


async def test_a_revoked_message_goes_and_does_not_come_when_the_revoke_was_first(world: World) -> None:
    first, second = sent(world, PHONE), sent(world, PHONE)
    await world.deliver(first)

    for event in (first, second):
        await erase(world, of_message(event.phone_number_id, event.message_id))

    assert await world.deliver(second) == []
    assert await holds_nothing(world)


async def test_two_erasers_at_once(world: World, erasure: ErasureRepository) -> None:
    import asyncio

    events = [sent(world, PHONE) for _ in range(20)]
    for event in events:
        await world.deliver(event)
    target = await erasure.sender(phone=PHONE)

    both = await asyncio.gather(eraser(world).erase(target), eraser(world).erase(target))

    assert sum(each.documents for each in both) == 20
    assert await holds_nothing(world)


async def test_a_document_that_somebody_has_broken_goes_too(world: World, erasure: ErasureRepository) -> None:
    event = sent(world, PHONE)
    await world.deliver(event)
    await world.database["messages"].update_one({"_id": event.media_id}, {"$set": {"kind": "painting", "sentAt": None}})

    await erase(world, await erasure.attachment(event.media_id))

    assert await holds_nothing(world)


async def test_an_erasure_that_was_cut_off_is_finished_by_a_repeat_and_by_the_ingestor(
    world: World, erasure: ErasureRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = sent(world, PHONE)
    await world.deliver(event)
    target = await erasure.sender(phone=PHONE)
    cut_off = eraser(world)

    async def killed(_: str) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(cut_off, "release", killed)
    with pytest.raises(KeyboardInterrupt):
        await cut_off.erase(target)
    assert await left(world) == set()
    assert world.files() != []

    await erase(world, target)
    world.clock.ahead = AN_HOUR
    await Release(database=world.database, store=world.store, clock=world.clock).resume()

    assert await holds_nothing(world)


async def test_tombstones_say_nothing_of_whom_they_are_about(world: World, erasure: ErasureRepository) -> None:
    event = sent(world, PHONE, USER)
    await world.deliver(event)
    await erase(world, await erasure.sender(phone=PHONE))

    for name in await world.database.list_collection_names():
        text = str(await world.database[name].find().to_list(None))
        assert PHONE not in text, name
        assert USER not in text, name
        assert event.media_id not in text, name


async def test_a_file_goes_though_its_document_was_sent_back_to_be_downloaded_again(
    world: World, erasure: ErasureRepository
) -> None:
    event = sent(world, PHONE)
    await world.deliver(event)
    document = await world.document(event)
    await world.messages.change(document, ingest_again(now=world.clock()))

    erased = await erase(world, await erasure.conversation(document.conversation_id))

    assert await holds_nothing(world)
    assert (erased.files, erased.files_left) == (1, 0)


async def test_a_file_that_never_came_is_not_told_as_left(world: World, erasure: ErasureRepository) -> None:
    event = sent(world, PHONE)
    await world.deliver(event)
    document = await world.document(event)
    await world.messages.change(document, ingest_again(now=world.clock()))
    await world.database["messages"].update_one({"_id": document.id}, {"$set": {"media.declared.sha256": "0" * 64}})

    erased = await erase(world, await erasure.conversation(document.conversation_id))

    assert (erased.documents, erased.files, erased.files_left) == (1, 0, 0)


async def test_what_is_merged_into_an_older_conversation_meanwhile_goes_all_the_same(
    world: World, erasure: ErasureRepository
) -> None:
    older, mine = sent(world, user_id=USER, content=images.jpeg(20, 20)), sent(world, PHONE)
    for event in (older, mine):
        await world.deliver(event)
    asked = (await world.document(mine)).conversation_id
    before_the_merge = await erasure.conversation(asked)
    assert before_the_merge is not None
    await world.deliver(sent(world, PHONE, USER, content=images.jpeg(30, 20)))

    erased = await eraser(world).erase(before_the_merge, again=lambda: erasure.conversation(asked))

    assert erased.documents == 3
    assert await holds_nothing(world)
    assert await world.deliver(sent(world, user_id=USER)) == []


async def test_an_identity_that_changes_while_it_is_erased_brings_no_name_back(
    world: World, erasure: ErasureRepository
) -> None:
    event = sent(world, PHONE)
    await world.deliver(event)
    target = await erasure.sender(phone=PHONE)

    class Late(ConversationRepository):
        """An ingestor that is overtaken by the erasure after it has looked for tombstones."""

        async def renamed(self, *, phone_number_id: str, before: Customer, after: Customer) -> Resolved | None:
            await erase(world, target)
            return await super().renamed(phone_number_id=phone_number_id, before=before, after=after)

    handler = IdentityHandler(
        conversations=Late(world.database),
        messages=world.messages,
        announcer=world.announcer,
        tombstones=world.tombstones,
        eraser=eraser(world),
        policy=RetryPolicy(delays=(5,)),
        clock=world.clock,
    )
    change = IdentityChanged(
        phone_number_id=event.phone_number_id,
        before=Customer(wa_id=PHONE),
        after=Customer(wa_id=OTHER_PHONE),
        changed_at=event.sent_at,
    )

    await handler.handle(change, Delivery(attempt=1, redelivered=False, correlation_id="abc"))

    assert await holds_nothing(world)


async def test_a_file_goes_with_its_document_however_the_digest_in_it_was_mangled(
    world: World, erasure: ErasureRepository
) -> None:
    event = sent(world, PHONE)
    event = event.model_copy(update={"declared": event.declared.model_copy(update={"sha256": None})})
    await world.deliver(event)
    await world.database["messages"].update_one(
        {"_id": event.media_id}, {"$set": {"media.storage.original.sha256": "0" * 64}}
    )

    await erase(world, await erasure.attachment(event.media_id))

    assert await holds_nothing(world)
    assert await world.database["blobs"].count_documents({}) == 0


async def test_a_message_is_known_as_erased_only_when_all_of_it_went(world: World, erasure: ErasureRepository) -> None:
    first, second = sent(world, PHONE), sent(world, OTHER_PHONE)
    for event in (first, second):
        await world.deliver(event)

    await erase(world, await erasure.sender(phone=PHONE))
    await erase(world, await erasure.attachment(second.media_id))

    revoked = [
        await world.tombstones.cover_any([names_of_message(event.phone_number_id, event.message_id)])
        for event in (first, second)
    ]
    assert revoked == [True, False], "of the second one, another attachment may stay"
