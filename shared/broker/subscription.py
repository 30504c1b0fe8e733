"""Events for every replica: a queue of its own, as long as it is connected, for what may be missed but not waited for.

Exclusive, deleted with the connection, bounded, the oldest dropped first: a replica that is slow or gone costs the
broker nothing. Whoever needs every event uses a work queue.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustChannel
from aiormq.exceptions import AMQPError

from shared.broker.connection import Broker
from shared.broker.topology import EXCHANGE, declare
from shared.broker.tracing import processing
from shared.events import E, decode
from shared.ids import new_correlation_id

log = structlog.get_logger(__name__)

_MOST_WAITING = 10_000
_PREFETCH = 200
_RETRY_SECONDS = 1.0


class Subscription(Generic[E]):
    """Hands every event of one type to `on_event`, which must not block; what it logs has the event's correlation.

    Comes back after a lost connection. `on_subscribed` is called whenever it has begun: what was told before that
    moment has not been heard, and whoever needs it looks it up from then on.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        event_type: type[E],
        service: str,
        on_event: Callable[[E], None],
        on_subscribed: Callable[[], None],
    ) -> None:
        self._broker = broker
        self._event_type = event_type
        self._service = service
        self._on_event = on_event
        self._on_subscribed = on_subscribed
        self._running: asyncio.Task[None] | None = None
        self._reopened = asyncio.Event()
        self._subscribed = False

    async def start(self) -> None:
        """Subscribe as soon as the broker is there. Returns at once."""
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Take no more; the queue goes with the broker's connection."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

    async def check(self) -> None:
        """Readiness, beside the broker's own: raise with a text for people when events are not heard."""
        if not self._subscribed:
            msg = f"not subscribed to {self._event_type.routing_key} yet"
            raise ConnectionError(msg)

    async def _run(self) -> None:
        channel: AbstractRobustChannel | None = None
        while True:
            self._reopened.clear()
            try:
                if channel is None:
                    channel = await self._broker.consuming_channel(prefetch=_PREFETCH)
                    channel.reopen_callbacks.add(self._channel_reopened)
                await self._subscribe(channel)
            except (AMQPError, ConnectionError, RuntimeError, TimeoutError) as error:
                log.warning("subscription.failed", routingKey=self._event_type.routing_key, reason=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._subscribed = True
            self._on_subscribed()
            log.info("subscription.started", routingKey=self._event_type.routing_key)
            await self._reopened.wait()

    async def _subscribe(self, channel: AbstractRobustChannel) -> None:
        await channel.ready()
        await declare(channel, ())
        # a new name each time: after a cut line the broker may hold the old queue for a dead connection a while longer
        queue = await channel.declare_queue(
            f"{self._service}.{self._event_type.routing_key}.{uuid4().hex}",
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": _MOST_WAITING, "x-overflow": "drop-head"},
            robust=False,
        )
        await queue.bind(EXCHANGE, self._event_type.routing_key, robust=False)
        await queue.consume(self._take)

    def _channel_reopened(self, *_: object) -> None:
        self._subscribed = False
        self._reopened.set()

    async def _take(self, message: AbstractIncomingMessage) -> None:
        correlation_id = message.correlation_id or new_correlation_id()
        routing_key = self._event_type.routing_key
        try:
            with (
                structlog.contextvars.bound_contextvars(correlationId=correlation_id),
                processing(message, name=routing_key, correlation_id=correlation_id),
            ):
                self._on_event(decode(self._event_type, message.body))
        except ValueError as error:
            log.warning("subscription.not_understood", routingKey=routing_key, reason=type(error).__name__)
        finally:
            # on a channel that is gone there is nothing to ack, nor a queue
            with suppress(AMQPError, ConnectionError, RuntimeError):
                await message.ack()
