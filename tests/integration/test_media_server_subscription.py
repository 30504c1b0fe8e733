"""Events for every replica, on a real RabbitMQ behind a line that can be cut."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from shared.broker.connection import Broker
from shared.broker.publisher import Publisher
from shared.broker.subscription import Subscription
from shared.events import InstanceUpdated


class Line:
    """A TCP line to the broker. `cut` ends what goes through it; the broker does not notice when told to `silently`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._near: list[asyncio.StreamWriter] = []
        self._far: list[asyncio.StreamWriter] = []
        self._pumps: set[asyncio.Task[None]] = set()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(self._host, self._port)
        self._near.append(writer)
        self._far.append(to_broker)
        for source, sink in ((reader, to_broker), (from_broker, writer)):
            pump = asyncio.create_task(self._pump(source, sink))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    def cut(self, *, silently: bool = False) -> None:
        for pump in self._pumps:
            pump.cancel()
        for writer in self._near if silently else [*self._near, *self._far]:
            writer.transport.abort()
        self._near.clear()
        if not silently:
            self._far.clear()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65536):
                sink.write(chunk)
                await sink.drain()
        except ConnectionError:
            return


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[tuple[Line, str]]:
    parts = urlsplit(url)
    line = Line(parts.hostname or "127.0.0.1", parts.port or 5672)
    server = await asyncio.start_server(line.connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield line, parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{port}").geturl()
    finally:
        server.close()
        line.cut()
        await server.wait_closed()


class Replica:
    """A service that hears of every event."""

    def __init__(self, url: str) -> None:
        self.heard: list[int] = []
        self.begun = 0
        self._broker = Broker(SecretStr(url), service="replica", queues=[])
        self._subscription = Subscription(
            broker=self._broker,
            event_type=InstanceUpdated,
            service="replica",
            on_event=lambda event: self.heard.append(event.instance_version),
            on_subscribed=self._begin,
        )

    async def __aenter__(self) -> "Replica":
        await self._broker.start()
        await self._subscription.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._subscription.stop()
        await self._broker.close()

    def _begin(self) -> None:
        self.begun += 1


@pytest.fixture
async def publisher(broker_url: str) -> AsyncIterator[Publisher]:
    broker = Broker(SecretStr(broker_url), service="publisher", queues=[])
    await broker.start()
    yield Publisher(broker)
    await broker.close()


async def tell(publisher: Publisher, version: int) -> None:
    event = InstanceUpdated(phone_number_id="1", instance_version=version)
    await publisher.publish([event], correlation_id="x", mandatory=False)


async def until_heard(publisher: Publisher, version: int, *replicas: Replica) -> None:
    """Tell until everyone has heard it: whoever subscribes later than it was told has missed it."""
    await until_true(lambda: all(version in replica.heard for replica in replicas), lambda: tell(publisher, version))


async def until_true(condition: Callable[[], bool], act: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            result = act()
            if asyncio.iscoroutine(result):
                await result
            await asyncio.sleep(0.05)


async def test_every_replica_hears_every_event(broker_url: str, publisher: Publisher) -> None:
    async with Replica(broker_url) as one, Replica(broker_url) as other:
        await until_heard(publisher, 0, one, other)
        for version in (1, 2, 3):
            await tell(publisher, version)
        await until_heard(publisher, 4, one, other)

    for replica in (one, other):
        assert [version for version in replica.heard if version in {1, 2, 3}] == [1, 2, 3]
        assert replica.begun == 1


async def test_it_begins_though_the_line_is_cut_at_that_moment(broker_url: str, publisher: Publisher) -> None:
    async with line_to(broker_url) as (line, url):
        broker = Broker(SecretStr(url), service="replica", queues=[])
        await broker.start()
        await broker.publishing_channel()
        heard: list[int] = []
        subscription = Subscription(
            broker=broker,
            event_type=InstanceUpdated,
            service="replica",
            on_event=lambda event: heard.append(event.instance_version),
            on_subscribed=lambda: None,
        )
        line.cut()
        await subscription.start()

        await until_true(lambda: 1 in heard, lambda: tell(publisher, 1))

        await subscription.stop()
        await broker.close()


@pytest.mark.parametrize("silently", [False, True])
async def test_a_cut_line_is_mended_and_the_gap_is_told(broker_url: str, publisher: Publisher, silently: bool) -> None:
    async with line_to(broker_url) as (line, url), Replica(url) as replica:
        await until_heard(publisher, 1, replica)

        line.cut(silently=silently)

        await until_heard(publisher, 2, replica)
        assert replica.begun == 2
