"""Are exchange and queues as the code wants them, is each worked off, and what waits in them?"""

from collections.abc import Sequence
from dataclasses import dataclass

from aio_pika.abc import AbstractConnection, ExchangeType
from aio_pika.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused, ChannelLockedResource
from pydantic import SecretStr

from shared.broker.letter_errors import answered
from shared.broker.topology import EXCHANGE, IDENTITIES, INGEST, PREVIEW, REVOCATIONS, UNREADABLE, Queue, WorkQueue
from shared.doctor.broker import connected
from shared.doctor.check import Answer, Verdict, fine, listed, warning, wrong

_MANY = 10_000
_WORKED_OFF_BY: dict[WorkQueue, str] = {
    UNREADABLE: "webhook-gateway",
    INGEST: "ingestor",
    IDENTITIES: "ingestor",
    REVOCATIONS: "ingestor",
    PREVIEW: "previewer",
}
_MAKES = "it makes them, as MEDIA_RETRY_DELAYS says there"
_WITHOUT_RETRIES = frozenset({UNREADABLE})


@dataclass(frozen=True, kw_only=True)
class _Seen:
    messages: int
    consumers: int


async def look_at_queues(url: SecretStr, *, retry_delays: Sequence[int]) -> Sequence[Answer]:
    """Each is asked for by its name first, and only one that is there is declared: RabbitMQ then compares and changes
    nothing. Should somebody delete it in between, it is made, as the services make it at their start.
    """
    async with connected(url) as connection:
        return await answered(_looked_at(connection, retry_delays))


async def _looked_at(connection: AbstractConnection, retry_delays: Sequence[int]) -> Sequence[Answer]:
    answers = await _exchange(connection)
    count = 0
    for family, service in _WORKED_OFF_BY.items():
        missing = []
        for queue in family.queues(() if family in _WITHOUT_RETRIES else retry_delays):
            count += 1
            try:
                answers += await _queue(connection, queue, family=family, service=service)
            except ChannelNotFoundEntity:
                missing.append(queue.name)
        if missing:
            answers.append(wrong(f"not there: {listed(missing)}", f"start the {service}, or restart it: {_MAKES}"))
    if any(answer.verdict is Verdict.WRONG for answer in answers):
        return answers
    return [fine(f"the exchange and {count} queues are as they should be"), *answers]


async def _exchange(connection: AbstractConnection) -> list[Answer]:
    try:
        async with connection.channel() as channel:
            await channel.declare_exchange(EXCHANGE, passive=True)
            await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
    except ChannelNotFoundEntity:
        return [wrong(f"not there: the exchange {EXCHANGE}", "start the webhook-gateway, or restart it: it makes it")]
    except ChannelPreconditionFailed:
        return [
            wrong(
                f"the exchange {EXCHANGE} is of another kind",
                f"delete it (rabbitmqadmin delete exchange name={EXCHANGE}), then restart the services, which make it",
            )
        ]
    return []


async def _queue(connection: AbstractConnection, queue: Queue, *, family: WorkQueue, service: str) -> list[Answer]:
    try:
        seen = await _seen(connection, queue)
    except (ChannelAccessRefused, ChannelLockedResource):
        return [wrong(f"the queue {queue.name} may not be looked at", "give the user of RABBITMQ_URL all permissions")]
    except ChannelPreconditionFailed as error:
        return [
            wrong(
                f"the queue {queue.name} has other arguments than wanted ({_reason(error)})",
                f"the {service} waits until it is gone: move what is in it, delete it, then restart the {service}",
            )
        ]
    if queue.name == family.dead_letters:
        return _dead_letters(family, seen)
    return _work(queue, seen, service=service) if queue.name == family.name else []


def _work(queue: Queue, seen: _Seen, *, service: str) -> list[Answer]:
    if not seen.consumers:
        return [
            wrong(
                f"nobody works off {queue.name} ({_messages(seen)})",
                f"start the {service}; if it runs, GET /readyz of it says why it takes nothing",
            )
        ]
    if seen.messages > _MANY:
        return [
            warning(f"{queue.name} is long ({_messages(seen)})", f"see whether it shrinks; else run more {service}s")
        ]
    return []


def _dead_letters(family: WorkQueue, seen: _Seen) -> list[Answer]:
    if not seen.messages:
        return []
    letters = "1 dead letter" if seen.messages == 1 else f"{seen.messages} dead letters"
    return [warning(f"{letters} of {family.name}", "make dlq says why, and which of them still matter")]


async def _seen(connection: AbstractConnection, queue: Queue) -> _Seen:
    # a channel of its own: RabbitMQ closes it when the answer is no
    async with connection.channel() as channel:
        declared = await channel.declare_queue(queue.name, passive=True)
        await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
        found = declared.declaration_result
        return _Seen(messages=found.message_count or 0, consumers=found.consumer_count or 0)


def _messages(seen: _Seen) -> str:
    return "1 message waits" if seen.messages == 1 else f"{seen.messages:,} messages wait"


def _reason(error: ChannelPreconditionFailed) -> str:
    """RabbitMQ's own words, which name the argument, without what stands around them."""
    text = str(error)
    start, end = text.find("inequivalent arg"), text.find(" for queue")
    return text[start:end] if 0 <= start < end else "PRECONDITION_FAILED"
