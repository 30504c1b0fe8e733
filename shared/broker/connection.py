"""The way to RabbitMQ: one connection to publish and one to consume, both coming back by themselves."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import aio_pika
import structlog
from aio_pika.abc import AbstractRobustChannel, AbstractRobustConnection
from aio_pika.connection import make_url
from aiormq.exceptions import AMQPError, ChannelInvalidStateError
from pydantic import SecretStr

from shared.broker.alarm import Alarm, BrokerBlocked
from shared.broker.topology import Queue, declare

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 1.0
_SAY_SECONDS = 2.0
_REOPEN_SECONDS = 0.05
_CONNECT_SECONDS = 10.0
_OLDEST_VERSION = (3, 10)
_NEXT = "start RabbitMQ, or correct RABBITMQ_URL; nothing is lost meanwhile"


class BrokerTooOld(RuntimeError):
    """RabbitMQ before 3.10 has no message TTL on quorum queues, which retries stand on."""


class Broker:
    """Connects in the background and waits for RabbitMQ as long as it takes; `ready` and `check` tell.

    Publishing and consuming use separate connections, so that a broker that throttles publishers (memory or disk
    alarm) still delivers and takes acks.
    """

    def __init__(self, url: SecretStr, *, service: str, queues: Sequence[Queue]) -> None:
        self._url = url
        self._service = service
        self._queues = queues
        self._opening: asyncio.Task[None] | None = None
        self._connections: list[AbstractRobustConnection] = []
        self._publishing: AbstractRobustChannel | None = None
        self._ready = asyncio.Event()
        self._lost: set[str] = set()
        self._watching: asyncio.Task[None] | None = None
        self.alarm = Alarm()

    @property
    def url(self) -> SecretStr:
        """For those who need a connection of their own."""
        return self._url

    async def start(self) -> None:
        """Begin to connect. Returns at once."""
        self._opening = asyncio.create_task(self._open())

    async def close(self) -> None:
        """Close both connections; unacked messages go back to their queues."""
        self._ready.clear()
        if self._opening is not None:
            self._opening.cancel()
            with suppress(asyncio.CancelledError):
                await self._opening
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        await self._close_connections()

    async def check(self) -> None:
        """Readiness: raise with a text for people unless both connections work and RabbitMQ takes messages."""
        if self._opening is not None and self._opening.done() and not self._opening.cancelled():
            self._opening.result()
        if not self._ready.is_set() or not all(c.connected.is_set() for c in self._connections):
            msg = f"not connected to RabbitMQ, trying again every second; {_NEXT}"
            raise ConnectionError(msg)
        if self.alarm.raised:
            raise BrokerBlocked

    async def publishing_channel(self) -> AbstractRobustChannel:
        """The channel with confirms on which an unroutable mandatory message raises. Waits for the broker."""
        await self._ready.wait()
        if self._publishing is None:  # cannot be: `_ready` is set after the channel
            msg = "ready without a channel"
            raise RuntimeError(msg)
        await self._publishing.ready()
        return self._publishing

    async def declare_again(self) -> None:
        """Make what we publish to exist once more: somebody has deleted a queue, a binding or the exchange."""
        while True:
            try:
                await declare(await self.publishing_channel(), self._queues)
            except ChannelInvalidStateError:
                # RabbitMQ closes a channel that published to an exchange that is not there; it is being reopened
                await asyncio.sleep(_REOPEN_SECONDS)
            else:
                return

    async def consuming_channel(self, *, prefetch: int) -> AbstractRobustChannel:
        """A new channel for one consumer. Waits for the broker."""
        await self._ready.wait()
        channel = self._connections[1].channel(publisher_confirms=False)
        await channel
        await channel.set_qos(prefetch_count=prefetch)
        return channel

    async def message_count(self, queue: str) -> int:
        """How many messages wait in a queue."""
        await self._ready.wait()
        # a channel of its own: asking for a queue that is not there closes the channel
        async with self._connections[1].channel(publisher_confirms=False) as channel:
            declared = await channel.declare_queue(queue, passive=True)
            return declared.declaration_result.message_count or 0

    async def _open(self) -> None:
        """Connect and declare, again and again until it is done: RabbitMQ may be starting, or going down once more."""
        while True:
            try:
                await self._opened()
            except BrokerTooOld:
                log.exception("broker.too_old")
                raise
            except (AMQPError, ConnectionError, OSError, RuntimeError, TimeoutError) as error:
                log.warning(
                    "broker.not_opened", reason=f"{type(error).__name__}: {error}", retryInSeconds=_AGAIN_SECONDS
                )
                await self._close_connections()
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                self._ready.set()
                self._watching = asyncio.create_task(self.alarm.watch(self._connections[0]))
                log.info("broker.ready")
                return

    async def _opened(self) -> None:
        for purpose in ("publish", "consume"):
            await self._connect(purpose)
        channel = self._connections[0].channel(publisher_confirms=True, on_return_raises=True)
        await channel
        await declare(channel, self._queues)
        self._publishing = channel

    async def _close_connections(self) -> None:
        while self._connections:
            await self._connections.pop().close()

    async def _connect(self, purpose: str) -> None:
        connection = aio_pika.RobustConnection(
            make_url(self._url.get_secret_value(), reconnect_interval=_AGAIN_SECONDS, fail_fast=int(False)),
            client_properties={"connection_name": f"{self._service} ({purpose})"},
        )
        # known before it connects: its own retries go on until it is closed, however the wait for them ends
        self._connections.append(connection)
        waiting = asyncio.create_task(self._say_waiting())
        try:
            await connection.connect(timeout=_CONNECT_SECONDS)
        finally:
            waiting.cancel()
        connection.close_callbacks.add(lambda *_: self._say_lost(purpose))
        connection.reconnect_callbacks.add(lambda *_: self._say_back(purpose))
        transport = connection.transport
        version = str(transport.connection.server_properties.get("version", "")) if transport else ""
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if len(numbers) == len(_OLDEST_VERSION) and numbers < _OLDEST_VERSION:
            msg = f"RabbitMQ {version} is too old: 3.10 or newer is needed (message TTL on quorum queues)"
            raise BrokerTooOld(msg)

    async def _say_waiting(self) -> None:
        while True:
            await asyncio.sleep(_SAY_SECONDS)
            log.warning("broker.waiting", next=_NEXT)

    def _say_lost(self, purpose: str) -> None:
        # once for each loss, though it is reported with every failed try; and not of what we close ourselves
        if self._ready.is_set() and purpose not in self._lost:
            self._lost.add(purpose)
            log.warning("broker.lost", purpose=purpose, retryInSeconds=_AGAIN_SECONDS, next=_NEXT)

    def _say_back(self, purpose: str) -> None:
        self._lost.discard(purpose)
        log.info("broker.reconnected", purpose=purpose)
