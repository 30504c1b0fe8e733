"""Publishing that is over only when the broker has confirmed, in bounded time."""

import asyncio
from collections.abc import Iterable

import structlog
from aio_pika import Message
from aio_pika.abc import AbstractExchange
from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity, PublishError
from aiormq.exceptions import AMQPError as LowLevelError

from shared.broker.alarm import BrokerBlocked
from shared.broker.connection import Broker
from shared.broker.envelope import event_message
from shared.broker.topology import EXCHANGE
from shared.broker.tracing import publishing
from shared.events import Event

log = structlog.get_logger(__name__)

_NOT_CONFIRMED = (AMQPError, LowLevelError, ConnectionError, OSError, RuntimeError)

CONFIRM_SECONDS = 5.0
"""How long a publish may take, waiting for a broker that is away or blocked included."""


class PublishFailed(Exception):
    """The broker did not confirm: away, blocked, refused, no queue for it, or too slow. It may still have it."""


class PublishBlocked(PublishFailed):
    """RabbitMQ has raised its memory or disk alarm: refused without asking, or given up as soon as it said so."""


class Publisher:
    """Publishes events and copies of messages. Safe to use from many tasks at once; their confirms overlap."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    async def publish(
        self, events: Iterable[Event], *, correlation_id: str, attempt: int = 1, mandatory: bool = True
    ) -> None:
        """Return when every event is confirmed; raise `PublishFailed` when one is not within 5 s, or RabbitMQ blocks.

        `mandatory`: an event that no queue takes is a failure too.
        """
        messages = [
            (event.routing_key, event_message(event, correlation_id=correlation_id, attempt=attempt))
            for event in events
        ]
        await self._routed([(EXCHANGE, key, message) for key, message in messages], mandatory=mandatory)

    async def send(self, queue: str, message: Message) -> None:
        """Put one message into one queue, past the exchange; confirmed or `PublishFailed`."""
        await self._routed([("", queue, message)], mandatory=True)

    async def _routed(self, messages: list[tuple[str, str, Message]], *, mandatory: bool) -> None:
        if not messages:
            return
        try:
            async with self._broker.alarm.limit(CONFIRM_SECONDS):
                try:
                    await self._confirmed(messages, mandatory=mandatory)
                except (PublishError, ChannelNotFoundEntity):
                    # a queue, a binding or the exchange was deleted by hand; what went through is repeated, harmlessly
                    log.warning("broker.topology_missing", next="declared again; find out who deleted it")
                    await self._broker.declare_again()
                    await self._confirmed(messages, mandatory=mandatory)
        except BrokerBlocked as error:
            raise PublishBlocked(str(error)) from None
        except TimeoutError:
            msg = f"not confirmed by RabbitMQ within {CONFIRM_SECONDS:g} s"
            raise PublishFailed(msg) from None
        except _NOT_CONFIRMED as error:
            msg = f"not confirmed by RabbitMQ: {type(error).__name__}"
            raise PublishFailed(msg) from error

    async def _confirmed(self, messages: list[tuple[str, str, Message]], *, mandatory: bool) -> None:
        channel = await self._broker.publishing_channel()
        default = channel.default_exchange
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        if len(messages) == 1:  # the usual webhook: no task is needed to wait for one confirm
            ((name, key, message),) = messages
            try:
                await _traced(exchange if name else default, key, message, mandatory=mandatory)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                raise _closed() from None
            return
        try:
            async with asyncio.TaskGroup() as group:
                confirms = [
                    group.create_task(_traced(exchange if name else default, key, message, mandatory=mandatory))
                    for name, key, message in messages
                ]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        # a task group takes a cancelled task for one that is done
        if any(confirm.cancelled() for confirm in confirms):
            raise _closed()


async def _traced(exchange: AbstractExchange, key: str, message: Message, *, mandatory: bool) -> None:
    with publishing(message, exchange=exchange.name, routing_key=key):
        await exchange.publish(message, key, mandatory=mandatory)


def _closed() -> ConnectionError:
    """A connection that is closed or stuck cancels what waits for a confirm, as if we had wanted that."""
    return ConnectionError("the connection closed before the confirm")
