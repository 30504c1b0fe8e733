"""RabbitMQ from the outside: looking into queues, and a way to it that can be cut and frozen."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Self
from urllib.parse import urlsplit

import aio_pika
from aio_pika.abc import AbstractIncomingMessage
from pydantic import SecretStr

from shared.broker.connection import Broker
from shared.broker.topology import Queue


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    """Return when `condition` holds; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running_broker(url: str, queues: Sequence[Queue]) -> AsyncIterator[Broker]:
    """A `Broker` whose queues exist."""
    broker = Broker(SecretStr(url), service="test", queues=queues)
    await broker.start()
    try:
        async with asyncio.timeout(20):
            await broker.publishing_channel()
        yield broker
    finally:
        await broker.close()


class Onlooker:
    """Takes messages out of queues, past all of our code."""

    def __init__(self, channel: aio_pika.abc.AbstractChannel) -> None:
        self.channel = channel

    async def take(self, queue: str, *, seconds: float = 20) -> AbstractIncomingMessage:
        """The next message of `queue`, acked; waits for one."""
        message = await self.peek(queue, seconds=seconds)
        await message.ack()
        return message

    async def peek(self, queue: str, *, seconds: float = 20) -> AbstractIncomingMessage:
        """The same without the ack."""
        source = await self.channel.get_queue(queue, ensure=False)
        async with asyncio.timeout(seconds):
            while True:
                message = await source.get(fail=False)
                if message is not None:
                    return message
                await asyncio.sleep(0.02)

    async def is_empty(self, queue: str) -> bool:
        """Nothing waits in `queue` and nobody holds anything of it that comes back at once."""
        source = await self.channel.get_queue(queue, ensure=False)
        message = await source.get(fail=False)
        if message is not None:
            await message.nack(requeue=True)
        return message is None

    async def bound_to(self, routing_key: str) -> str:
        """A queue of our own that receives every event of this kind from now on."""
        exchange = await self.channel.get_exchange("media.events", ensure=False)
        queue = await self.channel.declare_queue(exclusive=True)
        await queue.bind(exchange, routing_key)
        return queue.name


@asynccontextmanager
async def onlooker(url: str) -> AsyncIterator[Onlooker]:
    """One with a connection of its own."""
    async with await aio_pika.connect(url) as connection:
        yield Onlooker(await connection.channel())


class Link:
    """A way to a server that can be cut (connections are reset, new ones refused) and frozen (nothing passes)."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    @property
    def url(self) -> str:
        """The server's URL by this way."""
        credentials = f"{self._target.username}:{self._target.password}@" if self._target.username else ""
        return self._target._replace(netloc=f"{credentials}127.0.0.1:{self._port}").geturl()

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def mend(self) -> None:
        """Let connections pass (again)."""
        self._flows.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
            self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Reset every connection, refuse new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    def freeze(self) -> None:
        """Keep every connection open and let nothing through."""
        self._flows.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(self._target.hostname, self._target.port)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            self._writers.add(sink)
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        self._writers.discard(sink)
        sink.close()
