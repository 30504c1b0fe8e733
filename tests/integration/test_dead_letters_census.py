"""The gauge of dead letters counts what waits for a person; letters that RabbitMQ buried itself get their story."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aio_pika
import pytest
from pydantic import SecretStr

from shared.broker.connection import Broker
from shared.broker.letters import BeingRead, Verdict, reading
from shared.broker.publisher import Publisher
from shared.broker.topology import INGEST, PREVIEW, WorkQueue
from shared.clock import system_clock
from shared.dead_letters.adoption import Adoption
from shared.dead_letters.census import Census
from shared.dead_letters.fates import Fates
from shared.errors import ErrorCode
from shared.media import Attachment, FailureStage, MediaStatus, Storage
from shared.metrics import DEAD_LETTER_OLDEST_SECONDS, DEAD_LETTERS
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect
from shared.requeue import received_again
from shared.updates import Announcer
from tests.amqp import running_broker, until
from tests.builders import make_attachment, make_failure, make_media, make_media_stored, make_original
from tests.letters import QUEUES, Pile, letter, letters, new_pile


@dataclass(frozen=True, kw_only=True)
class World:
    """A service that works a queue off, reduced to its census."""

    url: str
    broker: Broker
    database: Database
    messages: MessageRepository
    pile: Pile

    def census(self, queue: WorkQueue = INGEST) -> Census:
        announcer = Announcer(Publisher(self.broker), service="test")
        return Census(
            SecretStr(self.url),
            queue,
            broker=self.broker,
            fates=Fates(self.database, is_erased=None, clock=system_clock),
            adoption=Adoption(queue, service="test", messages=self.messages, announcer=announcer, clock=system_clock),
        )

    async def document(self, name: str, **media: Any) -> Attachment:
        change = await self.messages.insert(make_attachment(id=name, media=make_media(**media)))
        assert change is not None
        return change.attachment

    async def buried(self, name: str, **media: Any) -> Attachment:
        """A document, and a letter of its event with our headers."""
        document = await self.document(name, **media)
        await self.pile.put(INGEST.dead_letters, [letter(INGEST, id=f"l{name}", event=received_again(document))])
        return document

    async def media(self, name: str) -> Any:
        found = await self.messages.get(name)
        assert found is not None
        return found.media


@pytest.fixture
async def world(broker_url: str, mongodb_uri: str, mongodb_database: str) -> AsyncIterator[World]:
    async with opened(broker_url, mongodb_uri, mongodb_database) as world:
        yield world


@asynccontextmanager
async def opened(broker_url: str, mongodb_uri: str, mongodb_database: str) -> AsyncIterator[World]:
    client = connect(SecretStr(mongodb_uri))
    database = client[mongodb_database]
    async with running_broker(broker_url, QUEUES) as broker, await aio_pika.connect(broker_url) as connection:
        yield World(
            url=broker_url,
            broker=broker,
            database=database,
            messages=MessageRepository(database),
            pile=await new_pile(connection),
        )
    client.close()


def gauge(queue: WorkQueue = INGEST) -> float:
    return float(DEAD_LETTERS.labels(queue.name)._value.get())


def age(queue: WorkQueue = INGEST) -> float:
    return float(DEAD_LETTER_OLDEST_SECONDS.labels(queue.name)._value.get())


FAILED = {"status": MediaStatus.FAILED, "failure": make_failure()}


async def test_letters_whose_attachment_went_on_do_not_count(world: World) -> None:
    for number in range(3):
        await world.buried(f"mfailed{number}", **FAILED)
    await world.buried("mready", status=MediaStatus.READY)
    census = world.census()

    await census.refresh()
    assert gauge() == 4, "nobody has looked yet"
    await census.once()
    assert gauge() == 3
    await world.pile.until_there_are(INGEST.dead_letters, 4)
    await census.refresh()
    assert gauge() == 3

    await world.buried("mnew", **FAILED)
    await census.refresh()
    assert gauge() == 4, "a newcomer counts at once"


async def test_the_age_is_that_of_the_oldest_letter_that_counts(world: World) -> None:
    now = system_clock()
    for name, hours, media in (("mready", 9, {"status": MediaStatus.READY}), ("mold", 3, FAILED), ("mnew", 1, FAILED)):
        document = await world.document(name, **media)
        gone_up = now - timedelta(hours=hours)
        await world.pile.put(
            INGEST.dead_letters, [letter(INGEST, id=f"l{name}", event=received_again(document), failed_at=gone_up)]
        )
    census = world.census()

    await census.refresh()
    assert age() == 0, "nobody has looked yet"
    await census.once()
    assert 3 * 3600 <= age() < 3 * 3600 + 60


async def test_without_letters_that_count_the_age_is_0(world: World) -> None:
    await world.buried("mready", status=MediaStatus.READY)
    census = world.census()

    await census.once()

    assert (gauge(), age()) == (0, 0)


async def test_while_somebody_reads_the_last_count_stands(world: World) -> None:
    for number in range(3):
        await world.buried(f"mfailed{number}", **FAILED)
    census = world.census()
    await census.once()

    async with reading(SecretStr(world.url), INGEST) as reader:
        await reader.walk(lambda few: _kept(few))
        with pytest.raises(BeingRead):
            await census.once()
        await census.refresh()
        assert gauge() == 3


async def test_a_census_of_many_letters_gives_way_to_a_person_at_once(world: World) -> None:
    await world.pile.put(INGEST.dead_letters, letters(INGEST, 1500))
    census = world.census()
    counting = asyncio.create_task(census.once())

    async def is_under_way() -> bool:
        return 0 < await world.pile.count(INGEST.dead_letters) < 1500

    await until(is_under_way)
    async with reading(SecretStr(world.url), INGEST, patience_seconds=0) as reader:
        with pytest.raises(BeingRead):
            await counting
        assert reader.total + len(await world.pile.drained(INGEST.dead_letters)) > 0


async def test_many_letters_are_not_walked_again_soon_whatever_changes(world: World) -> None:
    await world.pile.put(INGEST.dead_letters, letters(INGEST, 1200))
    census = world.census()
    await census.once()
    await world.pile.until_there_are(INGEST.dead_letters, 1200)

    await world.pile.put(INGEST.dead_letters, letters(INGEST, 5, first=5000))
    await world.pile.until_there_are(INGEST.dead_letters, 1205)
    await census.refresh()
    assert gauge() == 1205, "newcomers count all the same"
    assert not census.is_due, "a walk is not worth it"

    await world.pile.drained(INGEST.dead_letters)
    await world.pile.until_there_are(INGEST.dead_letters, 0)
    await census.refresh()
    assert gauge() <= 100, "not more than somebody could have in hand"
    assert census.is_due, "a short queue is looked at again soon"


async def _kept(few: Any) -> Any:
    return [Verdict.KEEP] * len(few)


async def buried_by_rabbitmq(world: World, queue: WorkQueue, message: aio_pika.Message) -> None:
    """Rejected out of the work queue: RabbitMQ moves it to the dead letters, and our code never saw it."""
    async with await aio_pika.connect(world.url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(message, queue.name)
        source = await channel.get_queue(queue.name)
        await (await source.get()).reject(requeue=False)
    await world.pile.until_there_are(queue.dead_letters, 1)


async def test_a_letter_that_rabbitmq_buried_itself_is_adopted_and_its_document_fails(world: World) -> None:
    document = await world.document("mkilled", attempts=2, wake_at=system_clock() + timedelta(minutes=5))
    event = letter(INGEST, id="one", event=received_again(document), headers={"x-attempt": 2})
    await buried_by_rabbitmq(world, INGEST, event)

    census = world.census()
    for _ in range(2):
        await census.once()

    media = await world.media("mkilled")
    assert (media.status, media.failure.code, media.failure.stage) == (
        MediaStatus.FAILED,
        ErrorCode.INTERNAL,
        FailureStage.INGEST,
    )
    assert media.revision == 2, "once"
    assert "RabbitMQ itself (rejected)" in media.failure.message
    assert gauge() == 1
    await world.pile.until_there_are(INGEST.dead_letters, 1)
    (adopted,) = await world.pile.drained(INGEST.dead_letters)
    assert adopted.message_id == "one"
    told = {name: adopted.headers[name] for name in ("x-error-code", "x-service", "x-original-queue", "x-attempt")}
    assert told == {
        "x-error-code": "internal",
        "x-service": "test",
        "x-original-queue": INGEST.name,
        "x-attempt": 2,
    }
    assert adopted.headers["x-phone-number-id"] == document.phone_number_id
    assert "x-failed-at" in adopted.headers


async def test_a_preview_that_killed_every_process_is_adopted_as_crashed(world: World) -> None:
    document = await world.document("mbomb", status=MediaStatus.STORED, storage=Storage(original=make_original()))
    await buried_by_rabbitmq(world, PREVIEW, letter(PREVIEW, id="one", event=make_media_stored(document), headers={}))

    await world.census(PREVIEW).once()

    media = await world.media("mbomb")
    assert (media.status, media.failure.code) == (MediaStatus.FAILED, ErrorCode.PREVIEW_CRASHED)
    assert media.failure.message.endswith("The original can be downloaded.")
    assert media.storage.original is not None
    assert gauge(PREVIEW) == 1


@pytest.mark.parametrize("media", [{"status": MediaStatus.READY}, {"attempts": 5}, FAILED])
async def test_adoption_leaves_a_document_alone_that_somebody_took_further(world: World, media: Any) -> None:
    document = await world.document("mwent", **media)
    event = letter(INGEST, id="one", event=received_again(document), headers={"x-attempt": 2})
    await buried_by_rabbitmq(world, INGEST, event)

    await world.census().once()

    assert (await world.media("mwent")).revision == 1


async def test_a_document_that_somebody_broke_by_hand_does_not_end_the_counting(world: World) -> None:
    document = await world.document("mbroken")
    await world.database["messages"].update_one({"_id": "mbroken"}, {"$set": {"kind": "hologram"}})
    event = letter(INGEST, id="one", event=received_again(document), headers={"x-attempt": 2})
    await buried_by_rabbitmq(world, INGEST, event)

    await world.census().once()

    await world.pile.until_there_are(INGEST.dead_letters, 1)
    (adopted,) = await world.pile.drained(INGEST.dead_letters)
    assert adopted.headers["x-error-code"] == "internal"


async def test_the_service_that_works_a_queue_off_counts_its_letters_without_being_asked(world: World) -> None:
    """As a task of the service: run for ever, look soon after something has changed."""
    census = world.census()
    await world.buried("mready", status=MediaStatus.READY)
    running = asyncio.create_task(census.run())

    async def is_settled() -> bool:
        await census.refresh()
        return gauge() == 0

    await until(is_settled)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
