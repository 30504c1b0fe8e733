"""Each event that a worker takes ends in exactly one line, also when it is not answered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aio_pika.abc import AbstractIncomingMessage
from pydantic import SecretStr
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs
from structlog.typing import EventDict

from shared.broker.connection import Broker
from shared.broker.publisher import Publisher
from shared.broker.topology import INGEST
from shared.broker.worker import Work, Worker
from tests.builders import make_media_received


@asynccontextmanager
async def working(broker_url: str, work: Work) -> AsyncIterator[Worker]:
    """A worker with one event in its queue."""
    broker = Broker(SecretStr(broker_url), service="test", queues=INGEST.queues())
    await broker.start()
    worker = Worker(broker=broker, queue=INGEST, prefetch=1, work=work)
    try:
        await Publisher(broker).publish([make_media_received()], correlation_id="abc", attempt=2)
        await worker.start()
        yield worker
    finally:
        await worker.stop(grace_seconds=0.1)
        await broker.close()


def ends(lines: list[EventDict]) -> list[tuple[str, str, str]]:
    return [(line["queue"], line["outcome"], line["log_level"]) for line in lines if line["event"] == "event.handled"]


async def test_one_that_is_in_hand_when_the_service_stops(broker_url: str) -> None:
    begun = asyncio.Event()

    async def for_ever(_: AbstractIncomingMessage, __: str) -> str:
        begun.set()
        await asyncio.Event().wait()
        return "ok"

    with capture_logs() as lines:
        async with working(broker_url, for_ever):
            await asyncio.wait_for(begun.wait(), 10)

    assert ends(lines) == [("ingestor.media-received", "left_to_redelivery", "warning")]


async def test_one_that_a_defect_gives_back(broker_url: str) -> None:
    again = asyncio.Event()

    async def fails_once(message: AbstractIncomingMessage, _: str) -> str:
        if message.redelivered:
            again.set()
            return "ok"
        msg = "a defect"
        raise ValueError(msg)

    with capture_logs() as lines:
        async with working(broker_url, fails_once) as worker:
            await asyncio.wait_for(again.wait(), 10)
            await worker.stop(grace_seconds=5)

    assert ends(lines) == [
        ("ingestor.media-received", "given_back", "warning"),
        ("ingestor.media-received", "ok", "info"),
    ]
    assert [line["log_level"] for line in lines if line["event"] == "event.given_back"] == ["error"]


async def test_one_whose_channel_is_gone(broker_url: str) -> None:
    told = asyncio.Event()

    async def loses_its_channel(message: AbstractIncomingMessage, _: str) -> str:
        if message.redelivered:
            told.set()
            return "ok"
        await message.channel.close()
        return "ok"

    with capture_logs() as lines:
        async with working(broker_url, loses_its_channel) as worker:
            await asyncio.wait_for(told.wait(), 20)
            await worker.stop(grace_seconds=5)

    assert [outcome for _, outcome, _ in ends(lines)] == ["not_acked", "ok"]


async def test_what_is_logged_meanwhile_says_whose_it_is_and_which_attempt(broker_url: str) -> None:
    done = asyncio.Event()
    seen: dict[str, object] = {}

    async def looks(_: AbstractIncomingMessage, __: str) -> str:
        seen.update(get_contextvars())
        done.set()
        return "invalid"

    async with working(broker_url, looks) as worker:
        await asyncio.wait_for(done.wait(), 10)
        await worker.stop(grace_seconds=5)

    assert seen == {"correlationId": "abc", "attempt": 2}
