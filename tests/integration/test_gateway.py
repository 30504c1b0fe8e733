"""The gateway on a real RabbitMQ: a 200 is a promise that the broker keeps."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import REGISTRY
from pydantic import SecretStr

from shared.broker.connection import Broker
from shared.broker.publisher import Publisher, PublishFailed
from shared.broker.topology import INGEST, UNREADABLE
from shared.clock import system_clock
from shared.events import MediaReceived, decode
from tests.amqp import Link, until
from tests.unit.webhook_gateway.payloads import APP_SECRET, change, escaped, image, message, raw, signed, webhook
from webhook_gateway.app import QUEUES, build_app
from webhook_gateway.settings import Settings

PATH = "/webhooks/whatsapp"
Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def running_gateway(url: str) -> AsyncIterator[Client]:
    settings = Settings(
        rabbitmq_url=SecretStr(url),
        whatsapp_app_secret=(SecretStr(APP_SECRET),),
        whatsapp_verify_token=SecretStr("verify-me"),
    )
    async with TestClient(TestServer(build_app(settings, clock=system_clock))) as client:
        yield client


@pytest.fixture
async def gateway(broker_url: str) -> AsyncIterator[Client]:
    async with running_gateway(broker_url) as client:
        await until(lambda: answers(client, "/readyz", 200))
        yield client


@pytest.fixture
async def channel(broker_url: str) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(broker_url) as connection:
        yield await connection.channel()


async def answers(client: Client, path: str, status: int) -> bool:
    async with client.get(path) as response:
        return response.status == status


async def post(client: Client, body: bytes) -> int:
    async with client.post(PATH, data=body, headers=signed(body)) as response:
        return response.status


async def taken(channel: AbstractChannel, queue: str, *, count: int = 1) -> Sequence[AbstractIncomingMessage]:
    """The next messages of a queue, acked."""
    source = await channel.get_queue(queue)
    messages: list[AbstractIncomingMessage] = []

    async def enough() -> bool:
        while len(messages) < count and (found := await source.get(fail=False)):
            await found.ack()
            messages.append(found)
        return len(messages) >= count

    await until(enough)
    return messages


async def size(channel: AbstractChannel, queue: str) -> int:
    declared = await channel.declare_queue(queue, passive=True)
    return declared.declaration_result.message_count or 0


async def test_after_a_200_every_event_is_in_the_ingestors_queue(gateway: Client, channel: AbstractChannel) -> None:
    body = escaped(webhook(change(*(message(f"wamid.{n}", image=image(str(n))) for n in range(100)))))

    assert await post(gateway, body) == 200

    assert await size(channel, INGEST.name) == 100
    messages = await taken(channel, INGEST.name, count=100)
    events = [decode(MediaReceived, found.body) for found in messages]
    assert {event.message_id for event in events} == {f"wamid.{n}" for n in range(100)}
    assert {found.type for found in messages} == {"media.received.v1"}
    assert len({found.correlation_id for found in messages}) == 1
    assert len({found.message_id for found in messages}) == 100
    assert {found.delivery_mode for found in messages} == {aio_pika.DeliveryMode.PERSISTENT}


async def test_a_parked_body_waits_with_its_story_and_is_counted(gateway: Client, channel: AbstractChannel) -> None:
    body = raw(webhook(change(message("wamid.ODD", image={}), message("wamid.GOOD"))))

    assert await post(gateway, body) == 200

    async with gateway.get("/metrics") as response:
        assert 'attache_dead_letters{queue="webhook-gateway.unreadable"} 1.0' in await response.text()
    (letter,) = await taken(channel, UNREADABLE.dead_letters)
    assert letter.body == body
    assert letter.headers["x-error-code"] == "undecodable_event"
    assert letter.headers["x-original-queue"] == UNREADABLE.name
    (event,) = await taken(channel, INGEST.name)
    assert decode(MediaReceived, event.body).message_id == "wamid.GOOD"
    assert event.correlation_id == letter.correlation_id


async def test_a_replayed_body_that_can_be_read_now_becomes_events(gateway: Client, channel: AbstractChannel) -> None:
    parked_at = system_clock().replace(microsecond=0, day=1)
    parked = aio_pika.Message(raw(webhook(change(message()))), correlation_id="first-delivery", timestamp=parked_at)

    await channel.default_exchange.publish(parked, UNREADABLE.name)

    (found,) = await taken(channel, INGEST.name)
    assert found.correlation_id == "first-delivery"
    assert decode(MediaReceived, found.body).received_at == parked_at
    assert await size(channel, UNREADABLE.dead_letters) == 0


async def test_a_replayed_body_that_is_still_unreadable_goes_back(gateway: Client, channel: AbstractChannel) -> None:
    await channel.default_exchange.publish(aio_pika.Message(b"{ not json"), UNREADABLE.name)

    (letter,) = await taken(channel, UNREADABLE.dead_letters)
    assert letter.body == b"{ not json"
    assert letter.headers["x-reason"] == "not JSON"
    await until(lambda: is_empty(channel, UNREADABLE.name))


async def test_a_parked_body_that_is_put_back_says_the_same_again_and_is_parked_once(
    gateway: Client, channel: AbstractChannel
) -> None:
    body = raw(webhook(change(message("wamid.ODD", image={}), message("wamid.GOOD"))))
    assert await post(gateway, body) == 200
    (letter,) = await taken(channel, UNREADABLE.dead_letters)
    (first,) = await taken(channel, INGEST.name)

    put_back = aio_pika.Message(
        letter.body, headers=letter.headers, correlation_id=letter.correlation_id, timestamp=letter.timestamp
    )
    await channel.default_exchange.publish(put_back, UNREADABLE.name)

    (again,) = await taken(channel, INGEST.name)
    events = [decode(MediaReceived, found.body) for found in (first, again)]
    assert events[0].media_id == events[1].media_id
    assert events[1].received_at == letter.timestamp
    (parked,) = await taken(channel, UNREADABLE.dead_letters)
    assert (parked.body, parked.correlation_id) == (body, letter.correlation_id)
    assert {name: parked.headers[name] for name in ("x-reason", "x-error-code", "x-phone-number-id")} == {
        "x-reason": "image without a media id at entry[0].changes[0].value.messages[0]",
        "x-error-code": "undecodable_event",
        "x-phone-number-id": events[0].phone_number_id,
    }
    await until(lambda: is_empty(channel, UNREADABLE.name))
    assert await size(channel, UNREADABLE.dead_letters) == 0


async def is_empty(channel: AbstractChannel, queue: str) -> bool:
    return await size(channel, queue) == 0


async def test_a_full_queue_is_answered_503(broker_url: str, channel: AbstractChannel) -> None:
    # the broker refuses (nack) what a queue with `reject-publish` has no room for
    arguments = INGEST.work.arguments
    async with running_gateway(broker_url) as client:
        await until(lambda: answers(client, "/readyz", 200))
        narrow = await channel.declare_queue(
            "narrow", durable=True, arguments={"x-max-length": 1, "x-overflow": arguments["x-overflow"]}
        )
        await narrow.bind("media.events", MediaReceived.routing_key)

        statuses = [await post(client, raw(webhook(change(message(f"wamid.{n}"))))) for n in range(4)]

    assert statuses[0] == 200
    assert statuses[-1] == 503


async def test_a_binding_that_was_deleted_by_hand_is_made_again(gateway: Client, channel: AbstractChannel) -> None:
    queue = await channel.get_queue(INGEST.name)
    await queue.unbind("media.events", MediaReceived.routing_key)

    assert await post(gateway, raw(webhook(change(message())))) == 200

    assert len(await taken(channel, INGEST.name)) == 1


@pytest.fixture
async def link(broker_url: str) -> AsyncIterator[Link]:
    async with Link(broker_url) as link:
        yield link


async def test_without_a_broker_the_service_lives_answers_503_in_time_and_recovers(
    link: Link, channel: AbstractChannel
) -> None:
    await link.cut()
    body = raw(webhook(change(message())))

    async with running_gateway(link.url) as client:
        assert await answers(client, "/healthz", 200)
        assert await answers(client, "/readyz", 503)
        started = time.monotonic()
        assert await post(client, body) == 503
        assert time.monotonic() - started < 6
        await link.mend()
        await until(lambda: answers(client, "/readyz", 200))
        assert await post(client, body) == 200

    assert len(await taken(channel, INGEST.name)) == 1


async def test_after_a_lost_connection_both_webhooks_and_replays_go_on(link: Link, channel: AbstractChannel) -> None:
    async with running_gateway(link.url) as client:
        await until(lambda: answers(client, "/readyz", 200))
        assert await post(client, raw(webhook(change(message("wamid.BEFORE"))))) == 200

        await link.cut()
        assert await post(client, raw(webhook(change(message("wamid.DURING"))))) == 503
        await link.mend()
        await until(lambda: answers(client, "/readyz", 200))
        assert await post(client, raw(webhook(change(message("wamid.AFTER"))))) == 200
        replayed = aio_pika.Message(raw(webhook(change(message("wamid.REPLAYED")))))
        await channel.default_exchange.publish(replayed, UNREADABLE.name)

        events = [decode(MediaReceived, found.body) for found in await taken(channel, INGEST.name, count=3)]

    assert [event.message_id for event in events] == ["wamid.BEFORE", "wamid.AFTER", "wamid.REPLAYED"]


async def test_a_connection_lost_before_the_confirm_is_never_a_200(link: Link, channel: AbstractChannel) -> None:
    async with running_gateway(link.url) as client:
        await until(lambda: answers(client, "/readyz", 200))
        many = raw(webhook(change(*(message(f"wamid.{n}", image=image(str(n))) for n in range(2000)))))

        answer = asyncio.create_task(post(client, many))
        await until(lambda: has_some(channel))
        await link.cut()

        assert await answer == 503 or await size(channel, INGEST.name) == 2000


async def has_some(channel: AbstractChannel) -> bool:
    return await size(channel, INGEST.name) > 0


def handled_replays() -> float:
    return REGISTRY.get_sample_value("attache_events_total", {"queue": UNREADABLE.name, "outcome": "ok"}) or 0


async def test_a_body_in_hand_when_the_service_stops_is_left_to_redelivery(
    link: Link, channel: AbstractChannel, broker_url: str
) -> None:
    before = handled_replays()
    async with running_gateway(link.url) as client:
        await until(lambda: answers(client, "/readyz", 200))
        full = await channel.declare_queue("full", arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
        await full.bind("media.events", MediaReceived.routing_key)  # no confirm for it now
        await channel.default_exchange.publish(aio_pika.Message(raw(webhook(change(message())))), UNREADABLE.name)
        await until(lambda: is_empty(channel, UNREADABLE.name))  # delivered, not acked

    assert handled_replays() == before
    await full.delete(if_empty=False)
    async with running_gateway(broker_url):
        assert await taken(channel, INGEST.name)
        await until(lambda: is_empty(channel, UNREADABLE.name))


async def test_a_connection_that_closes_on_a_held_confirm_is_not_taken_for_a_confirm(link: Link) -> None:
    broker = Broker(SecretStr(link.url), service="webhook-gateway", queues=QUEUES)
    await broker.start()
    await broker.publishing_channel()
    link.freeze()
    publishing = asyncio.create_task(Publisher(broker).send(INGEST.name, aio_pika.Message(b"{}")))
    await asyncio.sleep(0)  # the publish is on its way

    closing = asyncio.create_task(broker.close())

    with pytest.raises(PublishFailed):
        await publishing
    await link.cut()
    await closing
