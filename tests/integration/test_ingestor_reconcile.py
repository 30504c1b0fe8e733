"""The net under everything, on a real MongoDB and a real RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from ingestor.reconcile import Reconciler
from shared.broker import publisher as publishing
from shared.broker.connection import Broker
from shared.broker.publisher import Publisher, PublishFailed
from shared.broker.topology import INGEST, PREVIEW
from shared.clock import system_clock
from shared.events import MediaReceived, MediaStored, decode
from shared.media import Attachment, MediaStatus, Storage
from shared.moves import wait_for_retry
from shared.repository.messages import MessageRepository
from shared.repository.mongo import Database, connect, ensure_indexes
from shared.updates import Announcer
from tests.amqp import Onlooker, onlooker, running_broker
from tests.builders import make_attachment, make_failure, make_media, make_original

NOW = system_clock()
MINUTE = timedelta(minutes=1)


class SetClock:
    """Starts at the real time, as `updatedAt` is the database's; NOW may be minutes ago."""

    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, kw_only=True)
class World:
    database: Database
    messages: MessageRepository
    reconciler: Reconciler
    clock: SetClock
    outside: Onlooker

    async def put(self, name: str, **media: Any) -> Attachment:
        change = await self.messages.insert(make_attachment(id=name, media=make_media(**media)))
        assert change is not None
        return change.attachment

    async def by_hand(self, name: str, **fields: Any) -> None:
        await self.database["messages"].update_one(
            {"_id": name}, {"$set": {f"media.{field}": value for field, value in fields.items()}}
        )

    async def found(self, name: str) -> Attachment:
        found = await self.messages.get(name)
        assert found is not None
        return found


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, broker_url: str) -> AsyncIterator[World]:
    client = connect(SecretStr(mongodb_uri))
    database = client[mongodb_database]
    await ensure_indexes(database)
    messages, clock = MessageRepository(database), SetClock()
    async with (
        running_broker(broker_url, (*INGEST.queues(), *PREVIEW.queues())) as broker,
        onlooker(broker_url) as outside,
    ):
        announcer = Announcer(Publisher(broker), service="ingestor")
        yield World(
            database=database,
            messages=messages,
            clock=clock,
            outside=outside,
            reconciler=reconciler(broker, messages, announcer, clock),
        )
        await announcer.drain()
    client.close()


def reconciler(broker: Broker, messages: MessageRepository, announcer: Announcer, clock: SetClock) -> Reconciler:
    return Reconciler(messages=messages, publisher=Publisher(broker), announcer=announcer, clock=clock, seconds=30)


async def test_an_announcement_that_got_lost_is_made_again_as_a_new_attempt(world: World) -> None:
    await world.put("m1", attempts=3, wake_at=NOW - MINUTE)

    assert await world.reconciler.once() == 1

    message = await world.outside.take(INGEST.name)
    event = decode(MediaReceived, message.body)
    assert (event.media_id, event.provider_media_id) == ("m1", "700000000000001")
    assert message.headers["x-attempt"] == 4
    assert message.correlation_id


async def test_a_stored_one_goes_to_the_previewer(world: World) -> None:
    await world.put("m1", status=MediaStatus.STORED, storage=Storage(original=make_original()), wake_at=NOW - MINUTE)

    assert await world.reconciler.once() == 1

    message = await world.outside.take(PREVIEW.name)
    assert decode(MediaStored, message.body).media_id == "m1"
    assert message.headers["x-attempt"] == 1


@pytest.mark.parametrize(
    "before",
    [
        {"status": MediaStatus.FAILED, "attempts": 6, "failure": make_failure()},
        {"status": MediaStatus.SKIPPED, "attempts": 1, "failure": make_failure()},
        {"status": MediaStatus.READY, "storage": Storage(original=make_original())},
        {"status": MediaStatus.STORED, "storage": Storage(original=make_original()), "wake_at": NOW + 9 * MINUTE},
    ],
    ids=lambda before: str(before["status"]),
)
async def test_a_row_set_to_pending_by_hand_is_picked_up_with_fresh_attempts(
    world: World, before: dict[str, Any]
) -> None:
    await world.put("m1", **before)
    await world.by_hand("m1", status="pending")

    assert await world.reconciler.once() == 1

    assert (await world.outside.take(INGEST.name)).headers["x-attempt"] == 1
    media = (await world.found("m1")).media
    assert (media.status, media.attempts, media.failure, media.storage.original) == (
        MediaStatus.PENDING,
        0,
        None,
        None,
    )
    assert await world.reconciler.once() == 0


async def test_of_many_reconcilers_one_takes_a_row_that_was_set_by_hand(world: World, broker_url: str) -> None:
    await world.put("m1", status=MediaStatus.FAILED, attempts=6, failure=make_failure())
    await world.by_hand("m1", status="pending")
    async with running_broker(broker_url, INGEST.queues()) as broker:
        announcer = Announcer(Publisher(broker), service="ingestor")
        others = [reconciler(broker, world.messages, announcer, world.clock) for _ in range(4)]

        moved = await asyncio.gather(*(each.once() for each in (world.reconciler, *others)))

    assert sum(moved) == 1
    await world.outside.take(INGEST.name)
    assert await world.outside.is_empty(INGEST.name)


async def test_what_waits_in_a_retry_queue_is_left_alone_until_it_is_late(world: World) -> None:
    await world.put("m1")
    waits = wait_for_retry(make_failure(), delay_seconds=21600, now=NOW)
    assert await world.messages.change(await world.found("m1"), waits) is not None

    world.clock.now = NOW + timedelta(seconds=21600)
    assert await world.reconciler.once() == 0
    world.clock.now += timedelta(minutes=6)
    assert await world.reconciler.once() == 1


async def test_one_round_sets_moving_however_many_there_are(world: World) -> None:
    documents = [make_attachment(id=f"m{number}", media=make_media(wake_at=NOW - MINUTE)) for number in range(450)]
    await world.database["messages"].insert_many([document.to_document() for document in documents])

    assert await world.reconciler.once() == 450


async def test_a_row_set_to_stored_by_hand_without_an_original_is_downloaded_again(world: World) -> None:
    await world.put("m1", status=MediaStatus.FAILED, attempts=6, failure=make_failure())
    await world.by_hand("m1", status="stored")

    assert await world.reconciler.once() == 1

    message = await world.outside.take(INGEST.name)
    assert decode(MediaReceived, message.body).media_id == "m1"
    document = await world.found("m1")
    assert (document.media.status, document.media.attempts) == (MediaStatus.PENDING, 0)
    assert message.headers["x-attempt"] == 1


async def test_one_row_that_cannot_be_read_does_not_keep_its_neighbours_waiting(world: World) -> None:
    await world.put("m-broken", wake_at=NOW - MINUTE, deadline=NOW)
    await world.put("m-fine", wake_at=NOW - MINUTE, deadline=NOW + MINUTE)
    await world.by_hand("m-broken", declared="junk")

    assert await world.reconciler.once() == 1

    assert decode(MediaReceived, (await world.outside.take(INGEST.name)).body).media_id == "m-fine"


async def test_what_was_set_moving_is_left_alone_and_looked_at_ever_more_seldom(world: World) -> None:
    await world.put("m1", wake_at=NOW - MINUTE)
    waits = []
    for _ in range(4):
        assert await world.reconciler.once() == 1
        assert await world.reconciler.once() == 0
        wake_at = (await world.found("m1")).media.wake_at
        assert wake_at is not None
        waits.append(wake_at - world.clock.now)
        world.clock.now = wake_at

    assert waits[0] == timedelta(minutes=15)
    assert all(later > timedelta(minutes=14) for later in waits)
    assert waits[3] > timedelta(minutes=45)
    assert (await world.found("m1")).media.revision == 1


async def test_of_two_reconcilers_one_publishes(world: World, broker_url: str) -> None:
    for number in range(10):
        await world.put(f"m{number}", wake_at=NOW - MINUTE)
    async with running_broker(broker_url, INGEST.queues()) as broker:
        announcer = Announcer(Publisher(broker), service="ingestor")
        other = reconciler(broker, world.messages, announcer, world.clock)

        moved = await asyncio.gather(world.reconciler.once(), other.once())

    assert sum(moved) == 10
    published = {decode(MediaReceived, (await world.outside.take(INGEST.name)).body).media_id for _ in range(10)}
    assert len(published) == 10
    assert await world.outside.is_empty(INGEST.name)


async def test_what_cannot_be_published_is_not_forgotten(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.put("m1", wake_at=NOW - MINUTE)
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.0)

    with pytest.raises(PublishFailed):
        await world.reconciler.once()

    monkeypatch.undo()
    assert await world.reconciler.once() == 0, "claimed, perhaps by another who is just publishing"
    world.clock.now += MINUTE
    assert await world.reconciler.once() == 1


async def test_what_its_last_mover_may_not_have_told_is_told(world: World) -> None:
    """It may have been killed between the change of the document and the line in the log."""
    await world.put("m1", attempts=0, wake_at=NOW - MINUTE)

    with capture_logs() as lines:
        await world.reconciler.once()

    (line,) = [line for line in lines if line["event"] == "message_media_updated"]
    assert (line["mediaId"], line["status"], line["revision"]) == ("m1", "pending", 1)
