"""However Meta names a customer, in whatever order its webhooks are handled, whatever is handled at the same time and
whoever is killed meanwhile: each name leads to one conversation that people see, and every document hangs on it.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
import structlog
from cryptography.fernet import Fernet
from pydantic import SecretStr

from ingestor.attempts import Attempts
from ingestor.identities import IdentityHandler
from ingestor.register import Register
from shared.broker.consumer import Delivery
from shared.broker.publisher import Publisher
from shared.broker.retry import RetryPolicy
from shared.clock import system_clock
from shared.erase import Eraser
from shared.events import Event, IdentityChanged, MediaReceived, MediaUpdated
from shared.media import Attachment, Customer, Sender
from shared.release import Release
from shared.repository.conversations import ConversationRepository
from shared.repository.listing import Conversation, Listing
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.repository.tombstones import Tombstones
from shared.storage.filesystem import FilesystemStore
from shared.updates import Announcer
from tests.builders import NOW, make_media_received
from tests.turns import Killed, Step, Stepwise, Turns

Fact = MediaReceived | IdentityChanged


class Overheard(Publisher):
    """Confirms at once and keeps what was said."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []

    async def publish(
        self, events: Iterable[Event], *, correlation_id: str, attempt: int = 1, mandatory: bool = True
    ) -> None:
        self.updates += [event.to_json() for event in events if isinstance(event, MediaUpdated)]


async def go_on() -> None:
    """Nobody is in the way."""


class Ingestor:
    """All of the ingestor that has to do with conversations. Each call to the database is one step."""

    def __init__(self, database: Database, *, step: Step = go_on) -> None:
        steps = cast(Database, {name: Stepwise(database[name], step) for name in ("messages", "conversations")})
        self.overheard = Overheard()
        self.announcer = Announcer(self.overheard, service="ingestor")
        self.conversations = ConversationRepository(steps)
        messages = MessageRepository(steps)
        tombstones = Tombstones(database, [SecretStr(Fernet.generate_key().decode())])
        eraser = Eraser(
            database=database,
            tombstones=tombstones,
            release=Release(database=database, store=FilesystemStore(Path("nowhere")), clock=system_clock),
            publisher=self.overheard,
            clock=system_clock,
        )
        self.register = Register(
            messages=messages,
            conversations=self.conversations,
            announcer=self.announcer,
            tombstones=tombstones,
            eraser=eraser,
            attempts=Attempts(),
            lifetime=timedelta(days=7),
        )
        self.identities = IdentityHandler(
            conversations=self.conversations,
            messages=messages,
            announcer=self.announcer,
            tombstones=tombstones,
            eraser=eraser,
            policy=RetryPolicy(delays=(5,)),
            clock=system_clock,
        )

    async def handle(self, fact: Fact) -> None:
        if isinstance(fact, MediaReceived):
            await self.register.registered(fact, attempt=1, now=NOW)
        else:
            await self.identities.handle(fact, Delivery(attempt=1, redelivered=False, correlation_id="abc"))


@dataclass(frozen=True, kw_only=True)
class Story:
    """What Meta says about some people, and who they turn out to be."""

    name: str
    facts: Sequence[Callable[[str], Fact]]  # each for a business number of its own
    people: Sequence[Sequence[int]]  # positions of the attachments that end in one conversation each
    one: Sequence[Customer] = ()  # names that lead to the same conversation in the end
    groups: int = 0
    shown: int = field(default=1)

    def told(self, number: str) -> list[Fact]:
        return [fact(number) for fact in self.facts]


def media(wa_id: str | None = None, user_id: str | None = None, parent: str | None = None, **fields: Any) -> Any:
    """A photo of whoever has these names."""
    customer = Customer(wa_id=wa_id, user_id=user_id, parent_user_id=parent)

    def announced(number: str) -> MediaReceived:
        return make_media_received(
            phone_number_id=number,
            message_id=f"wamid.{next(_COUNTER)}",
            customer=customer,
            sender=Sender(wa_id=wa_id, user_id=user_id),
            sent_at=NOW + timedelta(seconds=next(_COUNTER) % 60),
            **fields,
        )

    return announced


_COUNTER = itertools.count()


def changed(before: Customer, after: Customer) -> Callable[[str], IdentityChanged]:
    """Meta says that one became the other."""
    return lambda number: IdentityChanged(phone_number_id=number, before=before, after=after, changed_at=NOW)


def names(wa_id: str | None = None, user_id: str | None = None, parent: str | None = None) -> Customer:
    return Customer(wa_id=wa_id, user_id=user_id, parent_user_id=parent)


P1, P2, U1, U2, U3, U7 = "15550100001", "15550100002", "US.1", "US.2", "US.3", "US.7"
PARENT = "US.ENT.1"
STORIES = [
    Story(
        name="a phone number first, a user id later, then both",
        facts=[media(P1), media(None, U1), media(P1, U1)],
        people=[[0, 1, 2]],
        one=[names(P1), names(None, U1)],
    ),
    Story(
        name="three names of one customer",
        facts=[media(P1), media(parent=PARENT), media(P1, U1), media(None, U1, PARENT)],
        people=[[0, 1, 2, 3]],
        one=[names(P1), names(None, U1), names(parent=PARENT)],
    ),
    Story(
        name="a recycled number",
        facts=[media(P1, U1), media(P1, U2), media(None, U1), media(None, U2)],
        people=[[0, 2], [1, 3]],
        shown=2,
    ),
    Story(
        name="a number recycled twice, with parents",
        facts=[media(P1, U1, PARENT), media(P1, U2), media(P1, U3), media(None, U1)],
        people=[[0, 3], [1], [2]],
        one=[names(None, U1), names(None, U1, PARENT)],
        shown=3,
    ),
    Story(
        name="a new number",
        facts=[media(P1), media(P2), changed(names(P1), names(P2))],
        people=[[0, 1]],
        one=[names(P1), names(P2)],
    ),
    Story(
        name="a new number that somebody else had",
        facts=[media(P1, U1), media(P2, U7), changed(names(P1, U1), names(P2)), media(P2, U1)],
        people=[[0, 3], [1]],
        one=[names(None, U1), names(P2, U1)],
        shown=2,
    ),
    Story(
        name="an old number that somebody else has now",
        facts=[media(P1, U1), changed(names(P1, U1), names(P2)), media(P1, U7), media(P2, U1)],
        people=[[0, 3], [2]],
        one=[names(None, U1), names(P2)],
        shown=2,
    ),
    Story(
        name="a new number and the new user id that comes with it",
        facts=[
            media(P1, U1),
            changed(names(None, U1), names(P2, U2)),
            changed(names(P1, U1), names(P2)),
            media(P2, U2),
        ],
        people=[[0, 3]],
        one=[names(None, U1), names(None, U2), names(P2), names(P1)],
    ),
    Story(
        name="a user id renewed twice",
        facts=[
            media(None, U1),
            media(None, U3),
            changed(names(None, U1), names(None, U2)),
            changed(names(None, U2), names(None, U3)),
        ],
        people=[[0, 1]],
        one=[names(None, U1), names(None, U2), names(None, U3)],
    ),
    Story(
        name="members of a group",
        facts=[media(P1, group_id="g"), media(None, U1, group_id="g"), media(None, U1), media(P1, U1)],
        people=[[0, 1], [2, 3]],
        one=[names(P1), names(None, U1)],
        shown=2,
    ),
]
ROUNDS = 8
"""Schedules of each story; they differ from one another and are the same in every run."""
each_story = pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)


@pytest.fixture
async def database(mongodb_uri: str, mongodb_database: str) -> AsyncIterator[Database]:
    client = connect(SecretStr(mongodb_uri))
    await ensure_indexes(client[mongodb_database])
    yield client[mongodb_database]
    client.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of lines that say nothing here."""
    with structlog.testing.capture_logs():
        yield


_NUMBERS = itertools.count(1)


def a_number() -> str:
    """Of its own for each telling, so that one database serves them all."""
    return f"2003004{next(_NUMBERS)}"


@each_story
async def test_in_every_order(story: Story, database: Database) -> None:
    ingestor = Ingestor(database)
    for order in itertools.permutations(range(len(story.facts))):
        number = a_number()
        facts = story.told(number)

        for position in order:
            await ingestor.handle(facts[position])

        await assert_told(story, facts, number, database)
        await assert_every_revision_was_announced(ingestor, number, database)


@each_story
async def test_at_the_same_time(story: Story, database: Database) -> None:
    for seed in range(ROUNDS):
        number = a_number()
        facts = story.told(number)
        turns = Turns(seed, deaths=0)
        ingestor = Ingestor(database, step=turns.step)

        await turns.play([partial(ingestor.handle, fact) for fact in facts])

        await assert_told(story, facts, number, database)
        await assert_the_last_revision_was_announced(ingestor, number, database)


@each_story
async def test_at_the_same_time_each_delivered_twice_and_some_killed(story: Story, database: Database) -> None:
    for seed in range(ROUNDS):
        number = a_number()
        facts = story.told(number)
        turns = Turns(seed, deaths=6)

        ingestor = Ingestor(database, step=turns.step)
        await turns.play([partial(ingestor.handle, fact) for fact in facts * 2])

        await assert_told(story, facts, number, database)


@each_story
async def test_killed_between_any_two_steps_and_delivered_again(story: Story, database: Database) -> None:
    for last in range(len(story.facts)):
        for steps in itertools.count():
            number = a_number()
            facts = story.told(number)
            whole = Ingestor(database)
            for fact in [*facts[:last], *facts[last + 1 :]]:
                await whole.handle(fact)

            killed = await is_killed_after(steps, facts[last], database)
            await whole.handle(facts[last])

            await assert_told(story, facts, number, database)
            if not killed:
                break


async def is_killed_after(steps: int, fact: Fact, database: Database) -> bool:
    left = steps

    async def step() -> None:
        nonlocal left
        if not left:
            raise Killed
        left -= 1

    try:
        await Ingestor(database, step=step).handle(fact)
    except Killed:
        return True
    return False


async def test_many_customers_at_once_on_one_number(database: Database) -> None:
    number = a_number()
    people = [(f"1555{n}", f"US.9{n}") for n in range(12)]
    facts = [
        fact(number)
        for phone, user in people
        for fact in (media(phone), media(None, user), media(phone, user), media(phone, user))
    ]
    Random(7).shuffle(facts)  # noqa: S311 - the same each time
    ingestor = Ingestor(database)

    await asyncio.gather(*(ingestor.handle(fact) for fact in facts))

    story = Story(name="", facts=(), people=[], shown=len(people))
    await assert_told(story, facts, number, database)
    for phone, user in people:
        await assert_one(number, [names(phone), names(None, user)], database)


async def assert_told(story: Story, facts: Sequence[Fact], number: str, database: Database) -> None:
    """The invariants, whatever the story; then who of it ended where."""
    conversations = {c["_id"]: c async for c in database["conversations"].find({"phoneNumberId": number})}
    live = {name for name, conversation in conversations.items() if not conversation.get("mergedInto")}
    for conversation in conversations:
        assert end_of(conversation, conversations) in live
        assert await ConversationRepository(database).surviving(conversation) in live
    identities = [identity for c in conversations.values() for identity in c.get("identities", [])]
    assert len(identities) == len(set(identities))
    assert not [c for c in conversations.values() if c.get("absorbing")]
    documents = await documents_of(number, database)
    assert {document.conversation_id for document in documents.values()} <= live
    announced = [fact for fact in facts if isinstance(fact, MediaReceived)]
    assert set(documents) == {fact.media_id for fact in announced}
    await assert_listed(story, documents.values(), number, database)

    for person in story.people:
        theirs = [fact.media_id for position in person if isinstance(fact := facts[position], MediaReceived)]
        assert len({documents[media_id].conversation_id for media_id in theirs}) == 1
    await assert_one(number, story.one, database)


def end_of(conversation: str, conversations: dict[str, Any]) -> str:
    passed = set()
    while into := conversations[conversation].get("mergedInto"):
        assert conversation not in passed
        passed.add(conversation)
        conversation = into
    return conversation


async def documents_of(number: str, database: Database) -> dict[str, Attachment]:
    found = database["messages"].find({"phoneNumberId": number})
    return {document["_id"]: Attachment.model_validate(document) async for document in found}


async def assert_listed(story: Story, documents: Iterable[Attachment], number: str, database: Database) -> None:
    """What people see: as many conversations as there are people, each with its messages, people and last moment."""
    listed = [
        conversation async for conversation in every_conversation(database) if conversation.phone_number_id == number
    ]
    assert len(listed) == story.shown
    for conversation in listed:
        theirs = [document for document in documents if document.conversation_id == conversation.id]
        assert conversation.message_count == len(theirs) > 0
        assert conversation.last_message_at == max(document.sent_at for document in theirs)
        for sender in (document.sender for document in theirs):
            assert sender == Sender() or any(is_same(sender, person) for person in conversation.participants)


def is_same(sender: Sender, person: Sender) -> bool:
    by_phone = sender.wa_id is not None and sender.wa_id == person.wa_id
    return by_phone or (sender.user_id is not None and sender.user_id == person.user_id)


async def every_conversation(database: Database) -> AsyncIterator[Conversation]:
    cursor: str | None = None
    while True:
        page = await Listing(database).conversations(limit=200, cursor=cursor)
        for conversation in page.items:
            yield conversation
        if (cursor := page.next_cursor) is None:
            return


async def assert_one(number: str, one: Sequence[Customer], database: Database) -> None:
    ids = {
        (
            await ConversationRepository(database).resolve(
                phone_number_id=number, customer=customer, group_id=None, sent_at=NOW
            )
        ).conversation_id
        for customer in one
    }
    assert len(ids) <= 1


async def assert_every_revision_was_announced(ingestor: Ingestor, number: str, database: Database) -> None:
    """The documents moved by whole revisions, and whoever listens knows where they are."""
    await ingestor.announcer.drain()
    for document in (await documents_of(number, database)).values():
        updates = [update for update in ingestor.overheard.updates if update["id"] == document.id]
        assert sorted(update["media"]["revision"] for update in updates) == [*range(1, document.media.revision + 1)]
        assert last_said(updates)["conversationId"] == document.conversation_id


async def assert_the_last_revision_was_announced(ingestor: Ingestor, number: str, database: Database) -> None:
    await ingestor.announcer.drain()
    for document in (await documents_of(number, database)).values():
        newest = last_said([update for update in ingestor.overheard.updates if update["id"] == document.id])
        assert newest["media"]["revision"] == document.media.revision
        assert newest["conversationId"] == document.conversation_id


def last_said(updates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return max(updates, key=lambda update: update["media"]["revision"])
