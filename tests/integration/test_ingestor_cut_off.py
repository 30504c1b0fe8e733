"""Ingestors that are cut off between two steps, at their queue: the next delivery finishes what the last one began."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from shared.broker import consumer as consuming
from shared.broker.consumer import Consumer, Delivery
from shared.broker.publisher import Publisher
from shared.broker.retry import RetryPolicy
from shared.broker.topology import INGEST, PREVIEW
from shared.events import MediaReceived, MediaStored, decode
from shared.media import MediaStatus
from tests.amqp import running_broker, until
from tests.ingestors import World, photo, running_world
from whatsapp_simulator import DEMO_ACCESS_TOKEN, Fault, FaultName


@pytest.fixture
async def world(mongodb_uri: str, mongodb_database: str, broker_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with running_world(
        mongodb_uri=mongodb_uri, mongodb_database=mongodb_database, broker_url=broker_url, folder=tmp_path / "uploads"
    ) as world:
        yield world


@asynccontextmanager
async def working(world: World) -> AsyncIterator[None]:
    """An ingestor at its queue. Its end is sudden: what it has in hand goes back as if it had been killed."""
    async with running_broker(world.broker_url, (*INGEST.queues((1,)), *PREVIEW.queues())) as broker:
        consumer = Consumer(
            broker=broker,
            publisher=Publisher(broker),
            queue=INGEST,
            event_type=MediaReceived,
            handler=world.another().handler,
            policy=RetryPolicy(delays=(1,)),
            prefetch=4,
            service="ingestor",
        )
        await consumer.start()
        try:
            yield
        finally:
            await consumer.stop(grace_seconds=0)


async def announce(world: World) -> MediaReceived:
    event = world.announced(photo(world))
    await Publisher(world.broker).publish([event], correlation_id="abc")
    return event


async def test_a_kill_between_failed_and_buried_keeps_the_letter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.meta.tokens.expire(DEMO_ACCESS_TOKEN)
    is_burying = asyncio.Event()

    async def never_buried(*_: object, **__: object) -> None:
        is_burying.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(consuming, "bury", never_buried)
    async with working(world):
        event = await announce(world)
        await is_burying.wait()
    monkeypatch.undo()
    before = await world.document(event)
    assert before.media.status is MediaStatus.FAILED
    assert await world.outside.is_empty(INGEST.dead_letters)

    async with working(world):
        letter = await world.outside.take(INGEST.dead_letters)

    assert decode(MediaReceived, letter.body) == event
    assert letter.headers["x-error-code"] == "provider_auth"
    assert letter.headers["x-provider-status"] == 401
    assert letter.headers["x-attempt"] == 1
    assert await world.document(event) == before
    assert world.meta.requests.metadata() == 1


async def test_a_kill_between_stored_and_told_tells_the_previewer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = Publisher.publish
    is_telling = asyncio.Event()

    async def never_told(self: Publisher, events: object, **options: object) -> None:
        if isinstance(events, list) and events and isinstance(events[0], MediaStored):
            is_telling.set()
            await asyncio.Event().wait()
        await publish(self, events, **options)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(Publisher, "publish", never_told)
    async with working(world):
        event = await announce(world)
        await is_telling.wait()
    monkeypatch.undo()
    assert (await world.document(event)).media.status is MediaStatus.STORED

    async with working(world):
        told = await world.outside.take(PREVIEW.name)

    assert decode(MediaStored, told.body).media_id == event.media_id
    assert world.meta.requests.downloads() == 1


async def test_a_kill_between_planned_and_told_tells_the_plan(world: World) -> None:
    """The document says that it waits; the line about it was never written, nor was the event put to wait."""
    event = world.announced(photo(world, Fault(name=FaultName.SERVER_ERROR, times=1)))
    await world.deliver(event)
    waiting = (await world.document(event)).media
    assert waiting.next_attempt_at is not None

    with capture_logs() as lines:
        await world.deliver(event, redelivered=True)

    told = [(line["status"], line["revision"]) for line in lines if line["event"] == "message_media_updated"]
    assert told[0] == ("pending", waiting.revision)
    assert [revision for _, revision in told] == [waiting.revision, waiting.revision + 1, waiting.revision + 2]


async def test_what_was_put_off_by_ourselves_is_not_told_again(world: World) -> None:
    event = world.announced(photo(world, Fault(name=FaultName.SERVER_ERROR, times=1)))
    await world.deliver(event)
    waiting = (await world.document(event)).media

    with capture_logs() as lines:
        put_off = Delivery(attempt=1, redelivered=True, resumed=True, correlation_id="abc")
        await world.ingestor.handler.handle(event, put_off)

    told = [line["revision"] for line in lines if line["event"] == "message_media_updated"]
    assert told == [waiting.revision + 1, waiting.revision + 2]


async def test_a_kill_in_the_middle_of_a_download_is_resumed_as_the_same_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, is_writing = world.store.put, asyncio.Event()

    async def never_kept(*_: object) -> None:
        is_writing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(world.store, "put", never_kept)
    async with working(world):
        event = await announce(world)
        await is_writing.wait()
    monkeypatch.setattr(world.store, "put", put)
    assert (await world.document(event)).media.status is MediaStatus.PENDING

    async def is_stored() -> bool:
        return (await world.document(event)).media.status is MediaStatus.STORED

    async with working(world):
        await until(is_stored)

    assert (await world.document(event)).media.attempts == 1
    assert len(world.files()) == 1
