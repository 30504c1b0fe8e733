"""The yardstick below every gateway: one Python process that does nothing but publish an event and await the confirm.

Reads an `Order` from standard input and writes a `Count` to standard output.
"""

import asyncio
import json
import sys
import time
from uuid import uuid4

import aio_pika
from pydantic import BaseModel, ConfigDict


class Order(BaseModel):
    """`window` publishes are in flight at any time, for `seconds`; the first `warm_up_seconds` do not count."""

    model_config = ConfigDict(frozen=True)

    rabbitmq_url: str
    exchange: str
    routing_key: str
    body: str
    window: int
    warm_up_seconds: float
    seconds: float


class Count(BaseModel):
    """`confirmed` came within the seconds that count; `cpu_seconds` are for all that were `published`."""

    model_config = ConfigDict(frozen=True)

    confirmed: int
    published: int
    cpu_seconds: float


async def publish(order: Order) -> Count:
    """Persistent, mandatory, the same properties as the gateway's; raises when one is refused."""
    async with await aio_pika.connect(order.rabbitmq_url) as connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange(order.exchange, ensure=False)
        body, confirmed, published = order.body.encode(), 0, 0
        used = time.process_time()
        begin = time.perf_counter() + order.warm_up_seconds
        end = begin + order.seconds

        async def one_after_the_other() -> None:
            nonlocal confirmed, published
            while time.perf_counter() < end:
                message = aio_pika.Message(
                    body,
                    type=f"{order.routing_key}.v1",
                    message_id=uuid4().hex,
                    correlation_id=uuid4().hex,
                    timestamp=time.time(),
                    content_type="application/json",
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    headers={"x-attempt": 1},
                )
                await exchange.publish(message, order.routing_key, mandatory=True)
                published += 1
                confirmed += begin <= time.perf_counter() < end

        async with asyncio.TaskGroup() as group:
            for _ in range(order.window):
                group.create_task(one_after_the_other())
        return Count(confirmed=confirmed, published=published, cpu_seconds=time.process_time() - used)


def main() -> None:
    """Read an order from standard input, write the count to standard output."""
    count = asyncio.run(publish(Order.model_validate(json.load(sys.stdin))))
    sys.stdout.write(count.model_dump_json())


if __name__ == "__main__":
    main()
