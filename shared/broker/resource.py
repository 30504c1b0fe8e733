"""The broker as a resource of a service: connected, probed, measured, closed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from shared.broker.connection import Broker
from shared.broker.topology import WorkQueue
from shared.broker.waiting_letters import WaitingLetters
from shared.web import CHECKS, REFRESHES


@asynccontextmanager
async def open_broker(
    app: web.Application, broker: Broker, *, works_off: Sequence[WorkQueue] = ()
) -> AsyncIterator[Broker]:
    """Let `broker` connect in the background; readiness check `rabbitmq`.

    The service that works a queue off is the one that reports how many of its messages were given up, and since when.
    """
    app[CHECKS]["rabbitmq"] = broker.check
    gauges = [WaitingLetters(queue, broker=broker) for queue in works_off]
    app[REFRESHES].extend(gauge.refresh for gauge in gauges)
    await broker.start()
    looking = [asyncio.create_task(gauge.run()) for gauge in gauges]
    try:
        yield broker
    finally:
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
        await broker.close()
