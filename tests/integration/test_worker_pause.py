"""Taking no more for a while, on a real RabbitMQ: what is in hand is finished, what is not begun stays in its queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aio_pika.abc import AbstractIncomingMessage

from shared.broker.connection import Broker
from shared.broker.envelope import event_message
from shared.broker.topology import INGEST
from shared.broker.worker import Worker
from tests.amqp import Link, Onlooker, onlooker, running_broker, until
from tests.builders import make_media_received

QUEUES = INGEST.queues((1,))


class Work:
    """Notes what it was given, and holds it for as long as it is told to."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.done: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, message: AbstractIncomingMessage, correlation_id: str) -> str:
        self.taken.append(correlation_id)
        await self.go_on.wait()
        self.done.append(correlation_id)
        return "ok"

    async def has_taken(self, *correlation_ids: str) -> bool:
        return set(correlation_ids) <= set(self.taken)

    async def has_done(self, *correlation_ids: str) -> bool:
        return set(correlation_ids) <= set(self.done)


@asynccontextmanager
async def working(broker: Broker, work: Work, *, prefetch: int = 4) -> AsyncIterator[Worker]:
    worker = Worker(broker=broker, queue=INGEST, prefetch=prefetch, work=work)
    await worker.start()
    try:
        yield worker
    finally:
        work.go_on.set()
        await worker.stop(grace_seconds=5)


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    async with running_broker(broker_url, QUEUES) as broker:
        yield broker


@pytest.fixture
async def outside(broker_url: str, broker: Broker) -> AsyncIterator[Onlooker]:
    async with onlooker(broker_url) as outside:
        yield outside


async def put(outside: Onlooker, *correlation_ids: str) -> None:
    for each in correlation_ids:
        message = event_message(make_media_received(message_id=f"wamid.{each}"), correlation_id=each)
        await outside.channel.default_exchange.publish(message, INGEST.name)


async def waiting(broker: Broker, count: int) -> bool:
    return await broker.message_count(INGEST.name) == count


async def takes(worker: Worker) -> bool:
    try:
        await worker.check()
    except ConnectionError:
        return False
    return True


async def test_what_is_in_hand_is_finished_and_what_comes_later_waits_for_the_resume(
    broker: Broker, outside: Onlooker
) -> None:
    work = Work()
    work.go_on.clear()
    async with working(broker, work) as worker:
        await put(outside, "in hand")
        await until(lambda: work.has_taken("in hand"))

        await worker.pause()
        await put(outside, "later")
        work.go_on.set()
        await until(lambda: work.has_done("in hand"))
        await until(lambda: waiting(broker, 1))
        assert work.taken == ["in hand"]
        await worker.check()  # a pause is meant: it is no failure of the worker

        await worker.resume()
        await until(lambda: work.has_done("later"))
        await until(lambda: waiting(broker, 0))
    assert work.done == ["in hand", "later"]


async def test_what_comes_between_the_pause_and_its_cancel_goes_back_and_is_delivered_once_more(
    broker: Broker, outside: Onlooker
) -> None:
    """A full queue: deliveries are on their way while the pause begins."""
    work, names = Work(), [f"n{number}" for number in range(200)]
    await put(outside, *names)
    async with working(broker, work, prefetch=50) as worker:
        await until(lambda: work.has_taken("n0"))
        await worker.pause()
        await until(lambda: finished(work))
        done = len(work.done)
        await until(lambda: waiting(broker, 200 - done))

        await worker.resume()
        await until(lambda: work.has_done(*names))
        await until(lambda: waiting(broker, 0))

    assert len(work.done) == 200


async def finished(work: Work) -> bool:
    return len(work.taken) == len(work.done)


async def test_a_worker_that_is_paused_before_its_start_begins_with_the_resume(
    broker: Broker, outside: Onlooker
) -> None:
    work = Work()
    worker = Worker(broker=broker, queue=INGEST, prefetch=1, work=work)
    await worker.pause()
    await worker.start()
    await put(outside, "waits")
    await until(lambda: waiting(broker, 1))
    await worker.check()
    assert work.taken == []

    await worker.resume()
    await until(lambda: work.has_done("waits"))
    await worker.stop(grace_seconds=5)


async def test_a_pause_lasts_through_a_lost_connection(broker_url: str) -> None:
    work = Work()
    async with (
        Link(broker_url) as link,
        running_broker(link.url, QUEUES) as broker,
        onlooker(broker_url) as outside,
        working(broker, work) as worker,
    ):
        await until(lambda: takes(worker))
        await worker.pause()
        await link.cut()
        await until(lambda: is_away(broker))
        await link.mend()
        await until(lambda: is_well(broker))
        await put(outside, "later")
        await until(lambda: waiting(broker, 1))
        assert work.taken == []

        await worker.resume()
        await until(lambda: work.has_done("later"))
        await until(lambda: waiting(broker, 0))


async def test_a_pause_and_a_resume_while_the_broker_is_away_leave_one_consumer(broker_url: str) -> None:
    work = Work()
    async with (
        Link(broker_url) as link,
        running_broker(link.url, QUEUES) as broker,
        onlooker(broker_url) as outside,
        working(broker, work, prefetch=1) as worker,
    ):
        await until(lambda: takes(worker))
        await link.cut()
        await until(lambda: is_away(broker))
        await worker.pause()
        await worker.resume()
        await link.mend()
        await until(lambda: is_well(broker))
        work.go_on.clear()
        await put(outside, "first", "second")
        await until(lambda: work.has_taken("first"))
        await until(lambda: waiting(broker, 1))

        declared = await outside.channel.declare_queue(INGEST.name, passive=True)
        assert declared.declaration_result.consumer_count == 1
        work.go_on.set()
        await until(lambda: work.has_done("first", "second"))


async def test_a_pause_in_the_middle_of_a_reconnect_holds(broker_url: str) -> None:
    work = Work()
    async with (
        Link(broker_url) as link,
        running_broker(link.url, QUEUES) as broker,
        onlooker(broker_url) as outside,
        working(broker, work) as worker,
    ):
        await until(lambda: takes(worker))
        await link.cut()
        await until(lambda: is_away(broker))
        pausing = asyncio.create_task(worker.pause())
        await link.mend()
        await pausing
        await until(lambda: is_well(broker))
        await put(outside, "later")
        await until(lambda: waiting(broker, 1))
        assert work.taken == []

        await worker.resume()
        await until(lambda: work.has_done("later"))


async def is_well(broker: Broker) -> bool:
    try:
        await broker.check()
    except ConnectionError:
        return False
    return True


async def is_away(broker: Broker) -> bool:
    return not await is_well(broker)
