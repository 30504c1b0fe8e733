"""From a delivery to its ack, on a real RabbitMQ."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aio_pika import Message
from prometheus_client import REGISTRY
from pymongo.errors import AutoReconnect

from shared.broker.connection import Broker
from shared.broker.consumer import Consumer, Delivery
from shared.broker.envelope import event_message
from shared.broker.publisher import Publisher
from shared.broker.retry import Decision, RetryPolicy, Settled
from shared.broker.topology import INGEST, PREVIEW
from shared.clock import system_clock
from shared.errors import CredentialError, ErrorCode, PermanentError, Postponed, SlowedDown, TransientError
from shared.events import Event, MediaReceived, MediaStored, decode
from tests.amqp import Link, Onlooker, onlooker, running_broker, until
from tests.builders import NUMBER, SHA256, make_media_received

DELAYS = (1, 2)
POLICY = RetryPolicy(delays=DELAYS)
QUEUES = (*INGEST.queues(DELAYS), *PREVIEW.queues())
STORED = MediaStored(media_id="m1", phone_number_id=NUMBER, message_id="wamid.1", conversation_id="c1", sha256=SHA256)
Answer = Sequence[Event] | Exception


class Script:
    """A handler that gives these answers, one for each delivery, the last one for ever."""

    def __init__(self, *answers: Answer, unsettled: Sequence[Exception] = ()) -> None:
        self._answers = list(answers)
        self._unsettled = list(unsettled)
        self.deliveries: list[Delivery] = []
        self.settled: list[Exception] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def handle(self, event: MediaReceived, delivery: Delivery) -> Sequence[Event]:
        self.deliveries.append(delivery)
        await self.hold.wait()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def settle(self, event: MediaReceived, error: Exception, delivery: Delivery) -> Decision:
        if self._unsettled:
            raise self._unsettled.pop(0)
        self.settled.append(error)
        deadline: datetime | None = None
        return POLICY.decide(error, attempt=delivery.attempt, deadline=deadline, now=system_clock())

    async def has_seen(self, deliveries: int) -> bool:
        return len(self.deliveries) >= deliveries


@asynccontextmanager
async def consuming(broker: Broker, handler: Script, *, prefetch: int = 5) -> AsyncIterator[Consumer[MediaReceived]]:
    consumer = Consumer(
        broker=broker,
        publisher=Publisher(broker),
        queue=INGEST,
        event_type=MediaReceived,
        handler=handler,
        policy=POLICY,
        prefetch=prefetch,
        service="ingestor",
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        handler.hold.set()
        await consumer.stop(grace_seconds=5)


def counted(outcome: str) -> float:
    value: float | None = REGISTRY.get_sample_value("attache_events_total", {"queue": INGEST.name, "outcome": outcome})
    return value or 0.0


@pytest.fixture
async def broker(broker_url: str) -> AsyncIterator[Broker]:
    async with running_broker(broker_url, QUEUES) as broker:
        yield broker


@pytest.fixture
async def outside(broker_url: str, broker: Broker) -> AsyncIterator[Onlooker]:
    async with onlooker(broker_url) as outside:
        yield outside


def waits() -> tuple[float, float]:
    """How many lags were measured, and how long all of them were."""
    count, total = (
        REGISTRY.get_sample_value(f"attache_event_lag_seconds_{part}", {"queue": INGEST.name})
        for part in ("count", "sum")
    )
    return count or 0.0, total or 0.0


async def publish(broker: Broker, event: Event | None = None, *, attempt: int = 1) -> None:
    await Publisher(broker).publish([event or make_media_received()], correlation_id="abc", attempt=attempt)


async def test_what_a_handled_event_caused_is_published_before_the_ack(broker: Broker, outside: Onlooker) -> None:
    handler, before = Script([STORED]), counted("ok")
    await publish(broker)

    async with consuming(broker, handler):
        caused = await outside.take(PREVIEW.name)

    assert decode(MediaStored, caused.body) == STORED
    assert caused.correlation_id == "abc"
    assert caused.headers["x-attempt"] == 1
    assert handler.deliveries == [Delivery(attempt=1, redelivered=False, correlation_id="abc")]
    assert counted("ok") == before + 1
    assert await outside.is_empty(INGEST.name)


async def test_the_lag_is_the_time_from_publication_to_the_first_taking(broker: Broker, outside: Onlooker) -> None:
    message = event_message(make_media_received(), correlation_id="abc")
    message.timestamp = datetime.now(UTC) - timedelta(seconds=90)
    await Publisher(broker).send(INGEST.name, message)
    count, seconds = waits()

    async with consuming(broker, Script([STORED])):
        await outside.take(PREVIEW.name)

    assert waits()[0] == count + 1
    assert 89 <= waits()[1] - seconds < 120


@pytest.mark.parametrize("header", [{"x-attempt": 2}, {"x-resumed": True}, {"x-replayed": True}])
async def test_a_retry_and_a_replay_have_no_lag(
    broker: Broker, outside: Onlooker, header: dict[str, int | bool]
) -> None:
    message = event_message(make_media_received(), correlation_id="abc")
    message.headers.update(header)
    await Publisher(broker).send(INGEST.name, message)
    before = waits()

    async with consuming(broker, Script([STORED])):
        await outside.take(PREVIEW.name)

    assert waits() == before


async def test_the_capacity_is_what_is_in_hand_at_most(broker: Broker) -> None:
    async with consuming(broker, Script([]), prefetch=7):
        capacity = REGISTRY.get_sample_value("attache_events_capacity", {"queue": INGEST.name})

    assert capacity == 7


async def test_an_event_to_be_retried_waits_in_the_queue_of_its_delay(broker: Broker, outside: Onlooker) -> None:
    handler = Script(TransientError("away"))
    await publish(broker, attempt=2)

    async with consuming(broker, handler):
        waiting = await outside.take(INGEST.retry(2))

    assert waiting.headers["x-attempt"] == 3
    assert waiting.correlation_id == "abc"
    assert waiting.type == "media.received.v1"
    assert decode(MediaReceived, waiting.body) == make_media_received()
    assert await outside.is_empty(INGEST.name)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (SlowedDown("Meta was not asked", retry_after_seconds=1.5), 2),
        (Postponed("no room", seconds=1.5), 2),
        (Postponed("no room"), 1),
        (Postponed("no room", seconds=3600), 2),
    ],
)
async def test_what_only_has_to_wait_comes_back_as_the_same_attempt(
    broker: Broker, outside: Onlooker, answer: Exception, seconds: int
) -> None:
    handler = Script(answer)
    await publish(broker, attempt=2)

    async with consuming(broker, handler):
        waiting = await outside.take(INGEST.retry(seconds))

    assert waiting.headers["x-attempt"] == 2
    assert waiting.headers["x-resumed"] is True
    assert await outside.is_empty(INGEST.name)


async def test_a_retried_event_comes_back_as_the_next_attempt(broker: Broker, outside: Onlooker) -> None:
    handler = Script(TransientError("away"), [STORED])
    await publish(broker)

    async with consuming(broker, handler):
        await outside.take(PREVIEW.name)

    assert [(each.attempt, each.redelivered) for each in handler.deliveries] == [(1, False), (2, False)]
    assert {each.correlation_id for each in handler.deliveries} == {"abc"}


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (
            PermanentError("Meta says no", code=ErrorCode.PROVIDER_REJECTED, provider_status=400),
            "provider_rejected",
            400,
        ),
        (CredentialError("refused", code=ErrorCode.PROVIDER_AUTH, provider_status=401), "provider_auth", 401),
        (CredentialError("nobody", code=ErrorCode.NO_INSTANCE), "no_instance", None),
    ],
)
async def test_a_dead_letter_tells_its_story(
    error: Exception, code: str, status: int | None, broker: Broker, outside: Onlooker
) -> None:
    before = counted("dead_letter")
    await publish(broker, attempt=3)

    async with consuming(broker, Script(error)):
        letter = await outside.take(INGEST.dead_letters)

    assert letter.headers["x-reason"] == str(error)
    assert letter.headers["x-error-code"] == code
    assert letter.headers.get("x-provider-status") == status
    assert letter.headers["x-attempt"] == 3
    assert str(letter.headers["x-failed-at"]).endswith("Z")
    assert letter.headers["x-service"] == "ingestor"
    assert letter.headers["x-original-queue"] == INGEST.name
    assert letter.headers["x-phone-number-id"] == NUMBER
    assert letter.correlation_id == "abc"
    assert decode(MediaReceived, letter.body) == make_media_received()
    assert counted("dead_letter") == before + 1


@pytest.mark.parametrize("body", [b"", b"{", b'{"caption": "Ada"}', b"\xff\xfe"])
async def test_what_cannot_be_understood_is_dead_lettered_at_once(
    body: bytes, broker: Broker, outside: Onlooker
) -> None:
    handler, before = Script([]), counted("invalid")
    await outside.channel.default_exchange.publish(Message(body), INGEST.name)

    async with consuming(broker, handler):
        letter = await outside.take(INGEST.dead_letters)

    assert letter.headers["x-error-code"] == "undecodable_event"
    assert "Ada" not in str(letter.headers["x-reason"])
    assert letter.body == body
    assert handler.deliveries == []
    assert counted("invalid") == before + 1


async def test_an_event_of_another_type_or_version_is_not_understood(broker: Broker, outside: Onlooker) -> None:
    message = event_message(make_media_received(), correlation_id="abc")
    message.type = "media.received.v2"
    await outside.channel.default_exchange.publish(message, INGEST.name)

    async with consuming(broker, Script([])):
        letter = await outside.take(INGEST.dead_letters)

    assert "media.received.v2" in str(letter.headers["x-reason"])


async def test_a_bug_is_retried_and_then_dead_lettered_with_its_traceback(broker: Broker, outside: Onlooker) -> None:
    handler = Script(KeyError("what a customer wrote"))
    await publish(broker, attempt=2)

    async with consuming(broker, handler):
        letter = await outside.take(INGEST.dead_letters)

    assert [each.attempt for each in handler.deliveries] == [2, 3]
    assert letter.headers["x-error-code"] == "internal"
    assert "KeyError" in str(letter.headers["x-reason"])
    assert "test_broker_consumer.py" in str(letter.headers["x-traceback"])


async def test_what_cannot_be_settled_comes_again_as_the_same_attempt(broker: Broker, outside: Onlooker) -> None:
    """The database was away: nothing is decided, so no attempt is burned, and the handler knows it may go on."""
    handler = Script(TransientError("away"), [STORED], unsettled=[AutoReconnect("the database is away")])
    await publish(broker, attempt=2)

    async with consuming(broker, handler):
        await outside.take(PREVIEW.name)

    assert [(each.attempt, each.redelivered) for each in handler.deliveries] == [(2, False), (2, True)]
    assert handler.deliveries[1].may_be_untold, "an answer of the database may have been lost, not the change itself"


async def test_what_is_put_off_comes_again_with_nothing_left_to_tell(broker: Broker, outside: Onlooker) -> None:
    handler = Script(Postponed("no room"), [STORED])
    await publish(broker)

    async with consuming(broker, handler):
        await outside.take(PREVIEW.name)

    assert [(each.redelivered, each.may_be_untold) for each in handler.deliveries] == [(False, False), (True, False)]


async def test_a_defect_in_settling_is_not_tried_for_ever(broker: Broker, outside: Onlooker) -> None:
    handler = Script(TransientError("away"), unsettled=[KeyError("what a customer wrote")] * 5)
    await publish(broker, attempt=2)

    async with consuming(broker, handler):
        letter = await outside.take(INGEST.dead_letters)

    assert letter.headers["x-error-code"] == "internal"
    assert "customer" not in str(letter.headers["x-reason"])
    assert [each.attempt for each in handler.deliveries] == [2, 3]


async def test_what_is_settled_already_is_acked(broker: Broker, outside: Onlooker) -> None:
    class Done(Script):
        async def settle(self, event: MediaReceived, error: Exception, delivery: Delivery) -> Decision:
            return Settled()

    handler = Done(TransientError("away"), [STORED])
    await publish(broker)
    await publish(broker)

    async with consuming(broker, handler, prefetch=1):
        await outside.take(PREVIEW.name)

    assert await outside.is_empty(INGEST.name)
    assert await outside.is_empty(INGEST.retry(1))
    assert await outside.is_empty(INGEST.dead_letters)


async def test_no_more_than_the_prefetch_is_in_hand(broker: Broker) -> None:
    handler = Script([])
    handler.hold.clear()
    for number in range(4):
        await publish(broker, make_media_received(message_id=f"wamid.{number}"))

    async with consuming(broker, handler, prefetch=2):
        await until(lambda: handler.has_seen(2))
        await asyncio.wait([asyncio.create_task(handler.hold.wait())], timeout=0.2)
        assert len(handler.deliveries) == 2
        handler.hold.set()
        await until(lambda: handler.has_seen(4))


async def test_stop_finishes_what_is_in_hand(broker: Broker, outside: Onlooker) -> None:
    handler = Script([STORED])
    handler.hold.clear()
    await publish(broker)

    async with consuming(broker, handler) as consumer:
        await until(lambda: handler.has_seen(1))
        stopping = asyncio.create_task(consumer.stop(grace_seconds=5))
        await asyncio.sleep(0)
        handler.hold.set()
        await stopping

    assert decode(MediaStored, (await outside.take(PREVIEW.name)).body) == STORED
    assert await outside.is_empty(INGEST.name)


async def test_what_stop_cannot_finish_is_delivered_again(broker_url: str) -> None:
    late, next_one = Script([STORED]), Script([])
    late.hold.clear()

    async with onlooker(broker_url) as outside:
        async with running_broker(broker_url, QUEUES) as broker:
            await publish(broker)
            async with consuming(broker, late) as consumer:
                await until(lambda: late.has_seen(1))
                await consumer.stop(grace_seconds=0.05)
        async with running_broker(broker_url, QUEUES) as broker, consuming(broker, next_one):
            await until(lambda: next_one.has_seen(1))

        assert next_one.deliveries == [Delivery(attempt=1, redelivered=True, correlation_id="abc")]
        assert await outside.is_empty(PREVIEW.name)


async def test_a_message_that_keeps_killing_its_handlers_is_given_up(broker: Broker, outside: Onlooker) -> None:
    handler = Script([STORED])
    await publish(broker)
    for _ in range(10):
        message = await outside.peek(INGEST.name)
        await message.reject(requeue=True)

    async with consuming(broker, handler):
        letter = await outside.take(INGEST.dead_letters)

    assert letter.headers["x-error-code"] == "internal"
    assert "deliveries ended without an answer" in str(letter.headers["x-reason"])
    assert handler.deliveries == []
    assert isinstance(handler.settled[0], PermanentError)


async def test_a_consumer_goes_on_after_the_connection_was_lost(broker_url: str) -> None:
    handler = Script([])
    async with Link(broker_url) as link, running_broker(link.url, QUEUES) as broker, consuming(broker, handler):
        await publish(broker)
        await until(lambda: handler.has_seen(1))

        await link.cut()
        await link.mend()
        async with running_broker(broker_url, QUEUES) as another:
            await publish(another, make_media_received(message_id="wamid.later"))

        await until(lambda: handler.has_seen(2))


async def test_work_that_lost_its_connection_is_done_again_and_told_so(broker_url: str) -> None:
    handler = Script([STORED])
    handler.hold.clear()
    async with (
        Link(broker_url) as link,
        running_broker(link.url, QUEUES) as broker,
        onlooker(broker_url) as outside,
        consuming(broker, handler),
    ):
        await publish(broker)
        await until(lambda: handler.has_seen(1))

        await link.cut()
        await link.mend()
        await until(lambda: handler.has_seen(2))
        handler.hold.set()

        assert handler.deliveries[1].redelivered
        assert (await outside.take(PREVIEW.name)).type == "media.stored.v1"


async def test_what_was_done_is_told_once_the_broker_is_back(broker_url: str) -> None:
    """Publishing again, not working again; the original comes again too, since its ack was lost."""
    handler = Script([STORED])
    handler.hold.clear()
    async with (
        Link(broker_url) as link,
        running_broker(link.url, QUEUES) as broker,
        onlooker(broker_url) as outside,
        consuming(broker, handler),
    ):
        await publish(broker)
        await until(lambda: handler.has_seen(1))
        await link.cut()
        handler.hold.set()
        await link.mend()

        assert decode(MediaStored, (await outside.take(PREVIEW.name)).body) == STORED
