"""The broker as a resource of a service: connected, probed, measured, closed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from shared.broker.connection import Broker
from shared.broker.topology import WorkQueue
from shared.metrics import DEAD_LETTERS
from shared.web import CHECKS, REFRESHES


@asynccontextmanager
async def open_broker(
    app: web.Application, broker: Broker, *, works_off: Sequence[WorkQueue] = ()
) -> AsyncIterator[Broker]:
    """Let `broker` connect in the background; readiness check `rabbitmq`.

    The service that works a queue off is the one that reports how many of its messages were given up.
    """
    app[CHECKS]["rabbitmq"] = broker.check

    async def count_dead_letters() -> None:
        for queue in works_off:
            DEAD_LETTERS.labels(queue.name).set(await broker.message_count(queue.dead_letters))

    app[REFRESHES].append(count_dead_letters)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.close()
