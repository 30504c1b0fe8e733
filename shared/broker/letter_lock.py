"""Who reads a queue's dead letters: locks that are queues of the connection over which the letters are read.

Neither outlives the other. A reader takes both locks, the first one first; who reads aside takes only the second, and
gives way as soon as somebody has the first.
"""

import asyncio

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.exceptions import ChannelLockedResource

from shared.broker.letter_errors import BeingRead, answered
from shared.broker.topology import WorkQueue

READER = "reader"
ASIDE = "census"

_LOOK_SECONDS = 0.05


async def lock(connection: AbstractConnection, queue: WorkQueue, name: str, *, patience_seconds: float) -> None:
    """Take it, for as long as the connection lives. Raise `BeingRead` when another does not end in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + patience_seconds
    while True:
        channel = await answered(connection.channel(publisher_confirms=False))
        try:
            await answered(channel.declare_queue(f"{queue.dead_letters}.{name}", exclusive=True, auto_delete=True))
        except ChannelLockedResource:
            if loop.time() >= until:
                raise BeingRead(queue) from None
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            return


async def is_locked(connection: AbstractConnection, queue: WorkQueue, name: str) -> bool:
    """Whether another connection has it."""
    channel = await answered(connection.channel(publisher_confirms=False))
    try:
        await answered(channel.declare_queue(f"{queue.dead_letters}.{name}", passive=True))
    except ChannelLockedResource:
        return True
    except ChannelNotFoundEntity:
        return False
    await answered(channel.close())
    return False
