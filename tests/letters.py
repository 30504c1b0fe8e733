"""Dead letters as they lie in their queues, put there past all of our code."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from shared.broker.dead_letters import dead_letter_headers
from shared.broker.retry import DeadLetter
from shared.broker.topology import IDENTITIES, INGEST, PREVIEW, REVOCATIONS, UNREADABLE, WorkQueue, declare
from shared.errors import ErrorCode
from shared.events import Event, encode, type_name
from tests.amqp import until
from tests.builders import NOW, NUMBER

FAMILIES = (UNREADABLE, INGEST, IDENTITIES, REVOCATIONS, PREVIEW)
QUEUES = [queue for family in FAMILIES for queue in family.queues()]


def letter(
    queue: WorkQueue,
    *,
    id: str,
    event: Event | None = None,
    body: bytes = b"{ not json",
    code: ErrorCode = ErrorCode.UNDECODABLE_EVENT,
    reason: str = "not JSON",
    number: str | None = NUMBER,
    failed_at: datetime = NOW,
    headers: Mapping[str, Any] | None = None,
) -> aio_pika.Message:
    """A letter that tells its story, or one with just these `headers`."""
    told = dead_letter_headers(
        DeadLetter(code=code, reason=reason),
        queue=queue,
        service=queue.name.split(".")[0],
        attempt=7,
        failed_at=failed_at,
        phone_number_id=number,
    )
    return aio_pika.Message(
        body if event is None else encode(event),
        message_id=id,
        type=None if event is None else type_name(event),
        correlation_id=f"correlation-{id}",
        timestamp=NOW,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        headers=dict(told if headers is None else headers),
    )


def letters(queue: WorkQueue, count: int, *, first: int = 0) -> list[aio_pika.Message]:
    """Many, each a second younger than the one before; their ids are numbers."""
    return [
        letter(queue, id=str(number), body=b"%d" % number, failed_at=NOW + timedelta(seconds=number))
        for number in range(first, first + count)
    ]


class Pile:
    """All queues of a broker, seen and filled from outside."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self._channel = channel

    async def put(self, queue: str, messages: Iterable[aio_pika.Message]) -> None:
        """In this order, confirmed."""
        many = list(messages)
        for start in range(0, len(many), 200):
            publish = self._channel.default_exchange.publish
            await asyncio.gather(*(publish(message, queue) for message in many[start : start + 200]))

    async def count(self, queue: str) -> int:
        """What waits, not what somebody has in hand."""
        declared = await self._channel.declare_queue(queue, passive=True)
        return declared.declaration_result.message_count or 0

    async def until_there_are(self, queue: str, count: int) -> None:
        """RabbitMQ counts a little behind."""

        async def there_are() -> bool:
            return await self.count(queue) == count

        await until(there_are)

    async def drained(self, queue: str) -> Sequence[AbstractIncomingMessage]:
        """Everything that waits, taken out, in its order."""
        source = await self._channel.get_queue(queue)
        taken = []
        while (message := await source.get(fail=False)) is not None:
            taken.append(message)
            await message.ack()
        return taken

    async def ids(self, queue: str) -> list[str | None]:
        """The same, only the ids."""
        return [message.message_id for message in await self.drained(queue)]


async def new_pile(connection: aio_pika.abc.AbstractConnection) -> Pile:
    """With all queues of ours declared."""
    channel = await connection.channel()
    await declare(channel, QUEUES)
    return Pile(channel)
