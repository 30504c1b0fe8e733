"""A real memory alarm of a real RabbitMQ: nobody waits for it in vain, what is delivered is acked, all goes on."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aio_pika.abc import AbstractIncomingMessage
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr
from structlog.testing import capture_logs

from shared.broker.connection import Broker
from shared.broker.publisher import CONFIRM_SECONDS, Publisher, PublishFailed
from shared.broker.topology import INGEST, PREVIEW
from shared.broker.worker import Worker
from shared.clock import system_clock
from tests.alarms import memory_alarm
from tests.amqp import onlooker, running_broker, until
from tests.builders import make_media_received
from tests.infrastructure import TestServers, fresh_broker
from tests.unit.webhook_gateway.payloads import APP_SECRET, change, message, raw, signed, text_message, webhook
from webhook_gateway.app import build_app
from webhook_gateway.settings import Settings

QUEUES = (*INGEST.queues((1,)), *PREVIEW.queues())
PATH = "/webhooks/whatsapp"
AT_ONCE = CONFIRM_SECONDS / 2
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def own_broker_url(own_servers: TestServers) -> Iterator[str]:
    with fresh_broker(own_servers) as url:
        yield url


@pytest.fixture
async def broker(own_broker_url: str) -> AsyncIterator[Broker]:
    async with running_broker(own_broker_url, QUEUES) as broker:
        yield broker


async def publish(broker: Broker, name: str) -> None:
    await Publisher(broker).publish([make_media_received(message_id=f"wamid.{name}")], correlation_id=name)


async def is_blocked(broker: Broker) -> bool:
    return broker.alarm.raised


async def learn_of_the_alarm(broker: Broker) -> None:
    """RabbitMQ tells whoever publishes, and nobody else."""
    with pytest.raises(PublishFailed, match="memory or disk alarm"):
        await publish(broker, "the first")
    assert broker.alarm.raised


async def works(broker: Broker) -> bool:
    try:
        await broker.check()
    except ConnectionError:
        return False
    return True


async def test_a_publish_is_refused_at_once_while_the_alarm_lasts_and_goes_through_afterwards(
    own_servers: TestServers, broker: Broker
) -> None:
    await publish(broker, "before")
    with capture_logs() as lines:
        async with memory_alarm(own_servers):
            started = time.monotonic()
            await learn_of_the_alarm(broker)
            assert time.monotonic() - started < AT_ONCE, "the first one is told while it waits for its confirm"

            started = time.monotonic()
            outcomes = await asyncio.gather(
                *(publish(broker, f"n{number}") for number in range(100)), return_exceptions=True
            )
            assert all(isinstance(outcome, PublishFailed) for outcome in outcomes)
            assert time.monotonic() - started < 0.5
            with pytest.raises(ConnectionError, match=r"memory or disk alarm.*rabbitmq-diagnostics alarms"):
                await broker.check()

        await until(lambda: works(broker))
        await publish(broker, "after")

    assert [line["event"] for line in lines if line["event"].startswith("broker.")] == [
        "broker.blocked",
        "broker.unblocked",
    ]
    (blocked,) = [line for line in lines if line["event"] == "broker.blocked"]
    assert "free memory or disk" in blocked["next"]


async def test_a_broker_that_blocks_before_we_connect_is_noticed_at_the_first_publish(
    own_servers: TestServers, own_broker_url: str
) -> None:
    async with memory_alarm(own_servers), running_broker(own_broker_url, QUEUES) as broker:
        started = time.monotonic()
        await learn_of_the_alarm(broker)
        assert time.monotonic() - started < AT_ONCE


async def test_a_connection_that_is_blocked_closes_in_bounded_time(
    own_servers: TestServers, own_broker_url: str
) -> None:
    async with memory_alarm(own_servers):
        async with running_broker(own_broker_url, QUEUES) as broker:
            await learn_of_the_alarm(broker)
            started = time.monotonic()
        assert time.monotonic() - started < 5


async def test_deliveries_go_on_and_are_acked_and_what_they_cause_is_published_when_the_alarm_is_over(
    own_servers: TestServers, broker: Broker, own_broker_url: str
) -> None:
    publisher = Publisher(broker)
    done: list[str] = []

    async def work(received: AbstractIncomingMessage, correlation_id: str) -> str:
        if correlation_id == "causes":
            await worker.until_confirmed(lambda: publisher.publish([make_media_received()], correlation_id="caused"))
        done.append(correlation_id)
        return "ok"

    worker = Worker(broker=broker, queue=INGEST, prefetch=2, work=work)
    for name in ("causes", "plain", "plain", "plain"):
        await publish(broker, name)
    async with memory_alarm(own_servers), onlooker(own_broker_url):
        await learn_of_the_alarm(broker)
        await worker.start()
        await until(lambda: has(done, "plain", 3))
        await until(lambda: one_in_hand(broker))
        assert "causes" not in done

    await until(lambda: has(done, "causes", 1))
    await until(lambda: has(done, "caused", 1))
    await worker.stop(grace_seconds=5)


async def has(done: list[str], name: str, count: int) -> bool:
    return done.count(name) >= count


async def one_in_hand(broker: Broker) -> bool:
    """Everything else has been acked: nothing is ready, and only one place of two is taken."""
    return await broker.message_count(INGEST.name) == 0


@asynccontextmanager
async def running_gateway(url: str) -> AsyncIterator[Client]:
    settings = Settings(
        rabbitmq_url=SecretStr(url),
        whatsapp_app_secret=(SecretStr(APP_SECRET),),
        whatsapp_verify_token=SecretStr("verify-me"),
    )
    async with TestClient(TestServer(build_app(settings, clock=system_clock))) as client:
        yield client


async def post(client: Client, body: bytes) -> tuple[int, str | None]:
    async with client.post(PATH, data=body, headers=signed(body)) as response:
        return response.status, response.headers.get("Retry-After")


async def readiness(client: Client) -> tuple[int, str | None]:
    async with client.get("/readyz") as response:
        return response.status, (await response.json())["checks"]["rabbitmq"].get("error")


async def is_ready(client: Client) -> bool:
    return (await readiness(client))[0] == 200


async def test_the_gateway_answers_503_at_once_and_says_so_and_goes_on_by_itself(
    own_servers: TestServers, own_broker_url: str
) -> None:
    media = raw(webhook(change(message("wamid.ALARM"))))
    async with running_gateway(own_broker_url) as gateway:
        await until(lambda: is_ready(gateway))
        assert await post(gateway, media) == (200, None)
        async with memory_alarm(own_servers):
            started = time.monotonic()
            answers = await asyncio.gather(*(post(gateway, media) for _ in range(20)))
            assert time.monotonic() - started < AT_ONCE
            # RabbitMQ may still have taken the very first one before it closed its ears
            assert answers.count((503, "5")) >= len(answers) - 1

            started = time.monotonic()
            assert {await post(gateway, media) for _ in range(20)} == {(503, "5")}
            assert time.monotonic() - started < 1
            status, problem = await readiness(gateway)
            assert status == 503
            assert problem is not None
            assert "rabbitmq-diagnostics alarms" in problem
            assert await post(gateway, raw(webhook(change(text_message())))) == (200, None), "nothing to publish"

        await until(lambda: is_ready(gateway))
        assert await post(gateway, media) == (200, None)
