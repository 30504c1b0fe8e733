"""Promise 1 stands on this: a publish that returns is a publish that RabbitMQ has confirmed."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from shared.broker import publisher as publishing
from shared.broker.connection import Broker
from shared.broker.envelope import event_message
from shared.broker.publisher import Publisher, PublishFailed
from shared.broker.topology import EXCHANGE, INGEST, PREVIEW
from shared.events import InstanceUpdated, MediaReceived, decode
from tests.amqp import Link, Onlooker, onlooker, running_broker, until
from tests.builders import make_media_received

DELAYS = (1, 2)
QUEUES = (*INGEST.queues(DELAYS), *PREVIEW.queues())
UNBOUND = InstanceUpdated(phone_number_id="1", instance_version=1)


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    async with running_broker(broker_url, QUEUES) as broker:
        yield broker


@pytest.fixture
async def outside(broker_url: str, broker: Broker) -> AsyncIterator[Onlooker]:
    async with onlooker(broker_url) as outside:
        yield outside


async def test_what_is_published_arrives_as_it_was_meant(broker: Broker, outside: Onlooker) -> None:
    event = make_media_received()

    await Publisher(broker).publish([event], correlation_id="abc", attempt=4)

    message = await outside.take(INGEST.name)
    assert decode(MediaReceived, message.body) == event
    assert message.type == "media.received.v1"
    assert message.correlation_id == "abc"
    assert message.headers["x-attempt"] == 4
    assert message.delivery_mode == 2


async def test_many_publishes_overlap(broker: Broker, outside: Onlooker) -> None:
    publisher = Publisher(broker)
    events = [make_media_received(message_id=f"wamid.{number}") for number in range(200)]

    await asyncio.gather(*(publisher.publish(events[at : at + 20], correlation_id="abc") for at in range(0, 200, 20)))

    arrived = {decode(MediaReceived, (await outside.take(INGEST.name)).body).message_id for _ in events}
    assert arrived == {event.message_id for event in events}


async def test_publishing_nothing_needs_no_broker() -> None:
    nowhere = Broker(SecretStr("amqp://guest:guest@127.0.0.1:1/"), service="test", queues=())

    await Publisher(nowhere).publish([], correlation_id="abc")


async def test_an_event_that_no_queue_takes_is_a_failure(broker: Broker) -> None:
    with pytest.raises(PublishFailed):
        await Publisher(broker).publish([UNBOUND], correlation_id="abc")


async def test_one_unroutable_event_fails_the_batch(broker: Broker) -> None:
    with pytest.raises(PublishFailed):
        await Publisher(broker).publish([make_media_received(), UNBOUND], correlation_id="abc")


async def test_an_event_that_need_not_arrive_may_find_nobody(broker: Broker) -> None:
    await Publisher(broker).publish([UNBOUND], correlation_id="abc", mandatory=False)


async def test_a_queue_that_does_not_exist_is_a_failure(broker: Broker) -> None:
    with pytest.raises(PublishFailed):
        await Publisher(broker).send("nowhere", event_message(UNBOUND, correlation_id="abc"))


def test_a_publish_may_take_five_seconds() -> None:
    assert publishing.CONFIRM_SECONDS == 5.0


async def test_a_broker_that_was_never_there_is_a_failure_in_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.3)
    broker = Broker(SecretStr("amqp://guest:guest@127.0.0.1:1/"), service="test", queues=())
    await broker.start()
    started = time.monotonic()

    with pytest.raises(PublishFailed):
        await Publisher(broker).publish([make_media_received()], correlation_id="abc")
    with pytest.raises(ConnectionError, match="not connected"):
        await broker.check()

    assert time.monotonic() - started < 2
    await broker.close()


async def test_a_broker_that_went_away_is_a_failure_and_comes_back_by_itself(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.5)
    async with Link(broker_url) as link, running_broker(link.url, QUEUES) as broker, onlooker(broker_url) as outside:
        publisher = Publisher(broker)
        await broker.check()

        await link.cut()
        with pytest.raises(PublishFailed):
            await publisher.publish([make_media_received(message_id="wamid.lost")], correlation_id="abc")
        await until(lambda: is_away(broker))

        await link.mend()
        await until(lambda: works(broker))
        await publisher.publish([make_media_received(message_id="wamid.back")], correlation_id="abc")
        assert decode(MediaReceived, (await outside.take(INGEST.name)).body).message_id == "wamid.back"


async def test_a_publish_that_hangs_is_not_confirmed(broker_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "CONFIRM_SECONDS", 0.5)
    async with Link(broker_url) as link, running_broker(link.url, QUEUES) as broker:
        link.freeze()

        with pytest.raises(PublishFailed, match="within"):
            await Publisher(broker).publish([make_media_received()], correlation_id="abc")

        await link.mend()


async def test_a_connection_that_breaks_before_the_confirm_is_a_failure(broker_url: str) -> None:
    """The client gives up what waits on a closed connection: that must never look like an answer."""
    async with Link(broker_url) as link, running_broker(link.url, QUEUES) as broker:
        link.freeze()
        publish = asyncio.create_task(publish_three(broker))
        await asyncio.wait([publish], timeout=0.2)
        assert not publish.done()

        await link.cut()

        with pytest.raises(PublishFailed):
            await publish


async def test_a_publish_that_meets_our_own_end_says_the_truth(broker_url: str) -> None:
    async with (
        Link(broker_url) as link,
        running_broker(link.url, QUEUES) as broker,
        onlooker(broker_url) as outside,
    ):
        link.freeze()
        publish = asyncio.create_task(publish_three(broker))
        await asyncio.wait([publish], timeout=0.1)
        closing = asyncio.create_task(broker.close())
        await asyncio.wait([closing], timeout=0.1)
        await link.mend()
        await closing

        (failure,) = await asyncio.gather(publish, return_exceptions=True)

        assert failure is None or isinstance(failure, PublishFailed)
        if failure is None:
            assert {(await outside.take(INGEST.name)).type for _ in range(3)} == {"media.received.v1"}


async def publish_three(broker: Broker) -> None:
    events = [make_media_received(message_id=f"wamid.{number}") for number in range(3)]
    await Publisher(broker).publish(events, correlation_id="abc")


async def test_a_broker_that_lost_its_queues_gets_them_again(broker_url: str) -> None:
    async with Link(broker_url) as link, running_broker(link.url, QUEUES) as broker, onlooker(broker_url) as outside:
        await link.cut()
        for queue in QUEUES:
            await outside.channel.queue_delete(queue.name)
        await link.mend()
        await until(lambda: works(broker))

        await Publisher(broker).publish([make_media_received()], correlation_id="abc")

        assert (await outside.take(INGEST.name)).type == "media.received.v1"


async def is_away(broker: Broker) -> bool:
    return not await works(broker)


async def works(broker: Broker) -> bool:
    try:
        await broker.check()
    except ConnectionError:
        return False
    return True


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20, 60])
async def test_a_broker_may_be_closed_at_any_moment_of_its_start(broker_url: str, turns: int) -> None:
    """What goes on connecting keeps the process from ending."""
    before = asyncio.all_tasks()
    broker = Broker(SecretStr(broker_url), service="test", queues=QUEUES)
    await broker.start()
    for _ in range(turns):
        await asyncio.sleep(0.001)

    async with asyncio.timeout(5):
        await broker.close()

    assert await still_running(before) == set()


async def test_a_broker_that_never_connected_can_be_closed() -> None:
    before = asyncio.all_tasks()
    broker = Broker(SecretStr("amqp://guest:guest@127.0.0.1:1/"), service="test", queues=())
    await broker.start()
    await asyncio.sleep(0.01)

    async with asyncio.timeout(5):
        await broker.close()

    assert await still_running(before) == set()


async def still_running(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Tasks that were begun since and are not over within a moment."""
    begun = asyncio.all_tasks() - before
    return (await asyncio.wait(begun, timeout=2))[1] if begun else set()


@pytest.mark.parametrize("deleted", ["queue", "binding", "exchange"])
async def test_what_was_deleted_by_hand_is_made_again_and_nothing_is_lost(
    broker: Broker, outside: Onlooker, deleted: str
) -> None:
    exchange = await outside.channel.get_exchange(EXCHANGE)
    queue = await outside.channel.get_queue(INGEST.name)
    match deleted:
        case "queue":
            await queue.delete(if_unused=False, if_empty=False)
        case "binding":
            await queue.unbind(exchange, MediaReceived.routing_key)
        case _:
            await exchange.delete()

    await Publisher(broker).publish([make_media_received()], correlation_id="abc")

    assert (await outside.take(INGEST.name)).correlation_id == "abc"
