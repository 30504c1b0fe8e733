"""What passes through RabbitMQ, seen by a plain client that knows nothing of our code."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One AMQP message: every property as the wire has it."""

    routing_key: str | None
    type: str | None
    message_id: str | None
    correlation_id: str | None
    timestamp: datetime | None
    delivery_mode: int
    content_type: str | None
    headers: dict[str, Any]
    raw: bytes

    @classmethod
    def of(cls, message: AbstractIncomingMessage) -> "Heard":
        """A copy that outlives the channel."""
        return cls(
            routing_key=message.routing_key,
            type=message.type,
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            timestamp=message.timestamp,
            delivery_mode=message.delivery_mode,
            content_type=message.content_type,
            headers=dict(message.headers),
            raw=message.body,
        )

    @property
    def body(self) -> dict[str, Any]:
        """The JSON object; empty when the body is none."""
        try:
            parsed = json.loads(self.raw)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


@asynccontextmanager
async def overhearing(broker_url: str) -> AsyncIterator[list[Heard]]:
    """Everything published to `media.events` while the context lasts, in order."""
    heard: list[Heard] = []

    async def take(message: AbstractIncomingMessage) -> None:
        heard.append(Heard.of(message))

    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("media.events", "#")
        await queue.consume(take, no_ack=True)
        yield heard


async def letters(broker_url: str, queue: str) -> list[Heard]:
    """What waits in a queue; it goes on waiting there."""
    seen: list[Heard] = []
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        source = await channel.get_queue(queue, ensure=False)
        while (message := await source.get(fail=False)) is not None:
            seen.append(Heard.of(message))
    return seen


async def publish(broker_url: str, routing_key: str, body: bytes, *, exchange: str = "") -> None:
    """A message as any program could send it; confirmed by the broker."""
    async with await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        await target.publish(aio_pika.Message(body), routing_key)


async def until(found: Callable[[], Awaitable[T | None]], *, seconds: float = 20) -> T:
    """What `found` gives as soon as it is neither None nor empty; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := await found()):
        assert time.monotonic() < deadline, f"nothing came within {seconds:g} s"
        await asyncio.sleep(0.05)
    return value
